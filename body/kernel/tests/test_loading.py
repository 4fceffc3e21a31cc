"""Values that fail to come back, and those that share something with them; and snapshots of earlier versions."""

import os

from cryocase import CryoCase


class Loading(CryoCase):
    def failed(self):
        self.assertEqual([], self.store()["skipped"])
        self.again()
        return {one["name"]: one["reason"] for one in self.reload()["failed"]}

    def test_only_what_holds_the_one_that_fails_does(self):
        self.run_cell(
            "import numpy as np, functools\n"
            "class Fails:\n    def __getstate__(self): return 1\n    def __setstate__(self, state): raise ValueError('none')\n"
            "class Hashed(Fails):\n    def __init__(self): self.n = 1\n    def __hash__(self): return self.n\n"
            "class Sub(Fails): pass\nclass Holds: pass\n"
            "def call(self): return shared\n"
            "shared = [1]; one = Fails(); sub = Sub(); both = [one, shared]; deep = {'a': [(both, 1)]}\n"
            "holds, free = Holds(), Holds(); holds.of = one; free.of = shared\n"
            "array = np.array([one, None], object); clean = np.array([shared, Holds], object)\n"
            "method = functools.partial(call, one); bound = one.__getstate__; kinds = {Fails: shared}\n"
            "unique = {Hashed()}; frozen = frozenset([Hashed()])\n"
            "def closes():\n    inner = one\n    return lambda: inner\nclosed = closes()")
        failed = self.failed()
        self.assertEqual({"one", "sub", "both", "deep", "holds", "array", "method", "bound", "unique", "frozen", "closed"},
                         set(failed))
        self.assertEqual({"ValueError: none"}, {reason for name, reason in failed.items() if name not in ("unique", "frozen")})
        self.assertEqual("(True, True, True, [1])", self.run_cell(
            "free.of is shared, clean[0] is shared, kinds[Fails] is shared, call(None)"))
        self.run_cell("Fails(), Sub(), closes")

    def test_what_a_missing_module_takes_with_it(self):
        module = os.path.join(self.folder, "gone.py")
        with open(module, "w") as file:
            file.write("class Thing: pass\nclass Made:\n    def __init__(self, of=0): self.of = of\n"
                       "    def __reduce__(self): return Made, (self.of,)\n")
        self.run_cell(f"import sys; sys.path.append({self.folder!r}); import gone\n"
                      "shared = [1]; thing = gone.Thing(); made = gone.Made(shared); pair = [shared, made]\n"
                      "class Sub(gone.Thing): pass\nsub = Sub(); other = [shared]")
        os.unlink(module)
        failed = self.failed()
        self.assertEqual({"gone", "thing", "made", "pair", "Sub", "sub"}, set(failed))
        self.assertEqual({"ModuleNotFoundError: No module named 'gone'"}, set(failed.values()))
        self.assertEqual("True", self.run_cell("other[0] is shared"))

    def test_a_handle_costs_only_what_holds_it(self):
        path = os.path.join(self.folder, "log")
        self.run_cell("class Logs:\n    def __init__(self, file): self.file = file\n"
                      f"logs = Logs(open({path!r}, 'w')); shared = []; other = Logs(shared); log = logs.file")
        self.assertEqual([], self.store()["skipped"])
        self.run_cell("log.write('one'); log.close()")
        self.again()
        restored = self.reload()
        self.assertEqual({"logs", "log"}, {one["name"] for one in restored["failed"]})
        self.assertEqual({"Logs", "shared", "other"}, set(restored["restored"]))

    def test_a_snapshot_of_an_earlier_version_loads_and_empties_no_file(self):
        at = os.path.join(self.folder, "files")
        os.mkdir(at)
        self.run_cell(
            f"import os, threading, tempfile, dbm.dumb; at = {at!r}\n"
            # As earlier versions stored them: by dill alone.
            "from vivarium_kernel import live; live.exact = dict; live.of_kinds = dict\n"
            "shared = [1]; also = shared\n"
            "written = open(at + '/w', 'w'); written.write('one'); on = open(at + '/on', 'w'); on.write('one')\n"
            "with open(at + '/closed', 'w') as closed: closed.write('one')\n"
            "reads = open(at + '/closed'); reads.read(1); appends = open(at + '/a', 'a'); appends.write('one')\n"
            "updates = open(at + '/closed', 'r+b'); updates.read(2); numbered = os.fdopen(os.open(at + '/w', 1), 'w')\n"
            "vanished = open(at + '/v', 'w'); lock = threading.Lock(); lock.acquire()\n"
            "table = dbm.dumb.open(at + '/table'); table['a'] = 'b'; del live")
        stored = self.store()
        self.assertEqual([], stored["skipped"])
        self.rewrite("a.json", lambda manifest: manifest.pop("sources"))
        self.run_cell("on.write('two'); on.close(); vanished.close(); os.unlink(at + '/v'); table['a'] = 'c'; table.close()")
        before = self.contents(at)
        self.assertEqual(b"onetwo", before["on"])
        self.again()
        failed = {one["name"]: one["reason"] for one in self.reload()["failed"]}
        self.assertEqual(before, self.contents(at))
        self.assertEqual({"on", "numbered", "vanished", "table"}, set(failed))
        self.assertIn("changed after", failed["on"])
        self.assertEqual("(3, 'w', True, 'w', 'r', 'n', 3, b'e', True)", self.run_cell(
            "written.tell(), written.mode, closed.closed, closed.mode, reads.mode, reads.read(1), appends.tell(),"
            " updates.read(), lock.acquire(timeout=5)"))
        self.assertEqual("True", self.run_cell("also is shared"))
        self.run_cell("written.write('two'); written.close()")
        self.assertEqual(before | {"w": b"onetwo"}, self.contents(at))

    def contents(self, folder):
        found = {}
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), "rb") as file:
                found[name] = file.read()
        return found
