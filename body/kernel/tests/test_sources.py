"""Sources of cells, in the process and after a reload."""

from cryocase import CryoCase


class Sources(CryoCase):
    def test_sources_of_cells_are_found_after_a_reload(self):
        cell = "def twice(n):\n    # by two\n    return 2 * n\n"
        self.run_cell(cell)
        self.run_cell("class Point:\n    def norm(self):\n        # of nothing\n        return 0\n"
                      "class Other:\n    pass\n"
                      "half = lambda n: n / 2  # by half\nnumber = 3")
        for _ in range(2):
            self.store()
            self.again()
            self.assertEqual([], self.reload()["failed"])
            self.assertEqual(repr(cell), self.run_cell("import inspect; inspect.getsource(twice)"))
            self.assertEqual("(True, True, True)", self.run_cell(
                "'by half' in inspect.getsource(half), '# of nothing' in inspect.getsource(Point.norm),"
                " inspect.getsource(Point).startswith('class Point:\\n    def')"))
        done, _ = self.client.execute("twice(object())")
        self.assertIn("by two", done["error"]["traceback"])
