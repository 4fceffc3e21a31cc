"""Snapshots, over the worker's socket and in its files."""

import json
import os

from worker import WorkerCase


class Cryo(WorkerCase):
    def setUp(self):
        super().setUp()
        self.cryo = os.path.join(self.folder, "cryo")

    def store(self, name="a"):
        return self.client.ask("store", folder=self.cryo, name=name)

    def reload(self, name="a"):
        return self.client.ask("reload", folder=self.cryo, name=name)

    def again(self):
        """Another worker."""
        self.client.close()
        self.end()
        super().setUp()

    def run_cell(self, code):
        done, _ = self.client.execute(code)
        self.assertEqual("completed", done["status"], done["error"])
        return done["result"]

    def objects(self):
        folder = os.path.join(self.cryo, "objects")
        return {name: os.stat(os.path.join(folder, name)) for name in os.listdir(folder)}

    def test_what_is_stored_comes_back_in_another_process(self):
        self.run_cell("import numpy as np, pandas as pd, sqlite3, threading\n"
                      "class Point:\n    def __init__(self, x): self.x = x\n    def twice(self): return scale * self.x\n"
                      "scale = 2\npoint = Point(4)\nshared = [1]\nalso = shared\n"
                      "def f(n): return n + scale\nsquare = lambda n: n * n\n"
                      "table = pd.DataFrame({'a': range(5), 'b': list('abcde')})\n"
                      "large = np.arange(500_000.0)\ntext = b'x' * 2_000_000\n_mine = 1\n"
                      "lock = threading.Lock()\ngenerator = (n for n in ())\n"
                      "db = runtime.resource(sqlite3.connect, ':memory:').on_connect(lambda c: c.execute('create table t(n)'))\n"
                      "db.get()\nruntime.shell.cd('/usr'); runtime.shell.env('A', 'b')")
        stored = self.store()
        self.assertEqual({"generator"}, {one["name"] for one in stored["skipped"]} - {"lock"})
        self.assertTrue(all(one["reason"] and one["type"] for one in stored["skipped"]))
        again = {"point", "shared", "also", "f", "square", "table", "large", "text", "_mine", "db", "Point", "np", "scale"}
        self.assertLessEqual(again, set(stored["saved"]))

        self.again()
        restored = self.reload()
        self.assertEqual([], restored["failed"])
        self.assertEqual(stored["saved"], restored["restored"])
        self.assertEqual("(8, True, True)", self.run_cell("point.twice(), isinstance(point, Point), also is shared"))
        self.assertEqual("(7, 9, 1)", self.run_cell("f(5), square(3), _mine"))
        self.run_cell("scale = 10")
        self.assertEqual("(40, 15)", self.run_cell("point.twice(), f(5)"))
        self.assertEqual("(124999750000.0, 2000000, 10)",
                         self.run_cell("float(large.sum()), len(text), int(table.a.sum())"))
        self.run_cell("large[0] = 1; table.loc[0, 'a'] = 3")
        self.assertEqual("[]", self.run_cell("db.get().execute('select * from t').fetchall()"))
        self.assertEqual("'/usr b\\n'", self.run_cell("runtime.shell.run('echo $PWD $A')['stdout']").replace("\\\\", "\\"))

    def test_a_second_store_writes_nothing_large_again(self):
        self.run_cell("import numpy as np\nrandom = np.random.default_rng(1).random(400_000); zeros = np.zeros(400_000)")
        self.store("a")
        before = self.objects()
        self.assertTrue(any(name.endswith(".zst") for name in before))
        self.store("b")
        after = self.objects()
        self.assertEqual({name: one.st_ino for name, one in before.items()}, {name: one.st_ino for name, one in after.items()})
        # A value that changed in one place is written anew.
        self.run_cell("random[200_001] = 0.5")
        self.store("c")
        self.assertGreater(len(self.objects()), len(after))
        self.run_cell("random = zeros = None")
        self.reload("c")
        self.assertEqual("0.5", self.run_cell("float(random[200_001])"))
        self.reload("a")
        self.assertNotEqual("0.5", self.run_cell("float(random[200_001])"))

    def test_what_a_thread_changes_meanwhile_is_stored_as_it_was_at_some_moment(self):
        self.run_cell("import numpy as np, threading\n"
                      "numbers = [np.random.default_rng(1).random(4_000_000), np.zeros(4_000_000)]\n"
                      "stop = threading.Event()\n"
                      "def change():\n"
                      "    while not stop.is_set():\n"
                      "        for one in numbers: one[::1000] += 1\n"
                      "changing = threading.Thread(target=change); changing.start()")
        for name in "abc":
            self.assertIn("numbers", self.store(name)["saved"])
        self.run_cell("stop.set(); changing.join(); numbers = None")
        for name in "abc":
            restored = self.reload(name)
            self.assertNotIn("damaged", restored)
            self.assertIn("numbers", restored["restored"])

    def test_the_newest_stays_the_newest_when_the_clock_is_set_back(self):
        created = []
        for name, ahead in (("a", 0), ("b", 10 ** 6), ("c", 0), ("d", -10 ** 6)):
            self.run_cell(f"import time; clock = time.time; time.time = lambda: clock() + {ahead}")
            self.store(name)
            self.run_cell("time.time = clock")
            with open(os.path.join(self.cryo, f"{name}.json"), "rb") as file:
                created.append(json.loads(file.read().partition(b"\n")[2])["created_at_s"])
        self.assertEqual(sorted(set(created)), created)
        self.assertLess(10 ** 5, created[1] - created[0])

    def test_damage_is_said_and_changes_nothing(self):
        self.run_cell("import numpy as np\nlarge = np.random.default_rng(1).random(400_000); x = 1")
        self.store()
        self.run_cell("x = 2")
        largest = max(self.objects().items(), key=lambda one: one[1].st_size)[0]
        path = os.path.join(self.cryo, "objects", largest)
        with open(path, "r+b") as file:
            file.seek(1000)
            file.write(b"damage")
        self.assertIn("checksum", self.reload()["damaged"])
        os.truncate(path, 1000)
        self.assertIn("too early", self.reload()["damaged"])
        os.unlink(path)
        self.assertIn("missing", self.reload()["damaged"])
        manifest = os.path.join(self.cryo, "a.json")
        with open(manifest, "a") as file:
            file.write(" ")
        self.assertIn("manifest", self.reload()["damaged"])
        self.assertIn("missing", self.reload("nothing")["damaged"])
        self.assertEqual("2", self.run_cell("x"))

    def test_one_value_that_does_not_load_costs_no_other(self):
        module = os.path.join(self.folder, "gone.py")
        with open(module, "w") as file:
            file.write("class Thing: pass\n")
        self.run_cell(f"import sys; sys.path.append({self.folder!r}); import gone; thing = gone.Thing(); x = 1")
        self.store()
        os.unlink(module)
        self.again()
        restored = self.reload()
        self.assertEqual({"thing", "gone"}, {one["name"] for one in restored["failed"]})
        self.assertEqual("1", self.run_cell("x"))

    def test_a_killed_store_leaves_the_one_before(self):
        self.run_cell("x = 1")
        self.store()
        with open(os.path.join(self.cryo, "a.json"), "rb") as file:
            before = file.read()
        # A value whose pickling ends the process: the store is half-way.
        self.run_cell("import os, numpy as np\nlarge = np.random.default_rng(1).random(400_000)\n"
                      "class Bomb:\n    def __reduce__(self): os.kill(os.getpid(), 9)\nx = 2; z = Bomb()")
        self.client.send(type="ask", ask=1, what="store", arguments={"folder": self.cryo, "name": "a"})
        self.assertEqual(b"", self.client.file.read())
        with open(os.path.join(self.cryo, "a.json"), "rb") as file:
            self.assertEqual(before, file.read())
        self.again()
        self.assertEqual(["x"], self.reload()["restored"])

    def test_a_failed_store_takes_back_what_it_wrote(self):
        self.run_cell("import numpy as np\nlarge = np.random.default_rng(1).random(400_000)")
        os.makedirs(os.path.join(self.cryo, "a.json"))
        self.assertIn("Error", self.store())
        self.assertEqual({}, self.objects())

    def test_a_disk_that_takes_no_more_costs_only_the_new_snapshot(self):
        self.run_cell("import numpy as np\nx = 1")
        self.store()
        before = self.objects()
        # As a full disk does, the limit fails a write in its middle.
        self.run_cell("large = np.random.default_rng(1).random(400_000)\nimport resource\n"
                      "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))")
        self.assertIn("OSError", self.store())
        self.assertEqual(set(before), set(self.objects()))
        self.assertEqual(["a.json"], [name for name in os.listdir(self.cryo) if "json" in name])
        self.assertEqual([], self.reload()["failed"])
        self.run_cell("resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))")
        self.assertIn("large", self.store()["saved"])

    def test_the_manifest_tells_what_is_inside(self):
        self.run_cell("x = [1, 2]")
        self.store()
        with open(os.path.join(self.cryo, "a.json")) as file:
            manifest = json.loads(file.read().partition("\n")[2])
        self.assertEqual([("x", "list")], [(one["name"], one["type"]) for one in manifest["values"]])
