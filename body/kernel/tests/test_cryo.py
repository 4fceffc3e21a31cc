"""Snapshots, over the worker's socket and in its files."""

import json
import os

from cryocase import CryoCase


class Cryo(CryoCase):
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

    def test_the_folder_is_locked_while_it_is_written_and_read_and_no_longer(self):
        self.run_cell(f"""
            def prepare():
                import fcntl, os
                from vivarium_kernel import cryo

                def watch(place, name):
                    real = getattr(place, name)
                    def watched(*given):
                        cryo.seen.append((name, is_free(fcntl.LOCK_SH), is_free(fcntl.LOCK_EX)))
                        return real(*given)
                    setattr(place, name, watched)

                def is_free(how):
                    file = os.open({self.cryo!r} + "/.lock", os.O_RDONLY)
                    try:
                        fcntl.flock(file, how | fcntl.LOCK_NB)
                        return True
                    except BlockingIOError:
                        return False
                    finally:
                        os.close(file)

                cryo.seen = []
                cryo.is_free = is_free
                for place, name in (cryo.Objects, "put"), (cryo, "_write_manifest"), (cryo.Objects, "get"):
                    watch(place, name)

            prepare()
            del prepare
            """)
        self.store()
        self.reload()
        seen = "[('put', False, False), ('_write_manifest', False, False), ('get', True, False)]"
        self.assertEqual(seen.split(), self.run_cell("from vivarium_kernel import cryo\ncryo.seen").split())
        self.assertEqual("True", self.run_cell("cryo.is_free(2)"))

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
        self.assertIn("was found damaged before", self.reload()["damaged"])
        os.unlink(f"{path}.damaged")
        self.assertIn("missing", self.reload()["damaged"])
        manifest = os.path.join(self.cryo, "a.json")
        with open(manifest, "a") as file:
            file.write(" ")
        self.assertIn("manifest", self.reload()["damaged"])
        self.assertIn("missing", self.reload("nothing")["damaged"])
        self.assertEqual("2", self.run_cell("x"))

    def test_what_was_damaged_is_written_anew_by_the_next_store(self):
        self.run_cell("import numpy as np\nlarge = np.random.default_rng(1).random(400_000); total = large.sum()")
        self.store("a")
        largest = max(self.objects().items(), key=lambda one: one[1].st_size)[0]
        path = os.path.join(self.cryo, "objects", largest)
        os.truncate(path, 1000)
        self.store("b")
        self.assertEqual([], self.reload("b")["failed"])
        # The other one holds the same object.
        self.assertEqual([], self.reload("a")["failed"])
        # Damage that keeps the size is known once a reload found it.
        with open(path, "r+b") as file:
            file.seek(1000)
            file.write(b"damage")
        self.assertIn("checksum", self.reload("a")["damaged"])
        self.store("c")
        self.assertEqual([], self.reload("c")["failed"])
        self.assertEqual("True", self.run_cell("bool(large.sum() == total)"))

    def test_a_failed_store_leaves_the_objects_of_others_and_tells_the_true_error(self):
        self.run_cell("import numpy as np\none = np.random.default_rng(1).random(400_000)\n"
                      "two = one.copy(); three = one.copy(); three[0] = 7")
        self.store("a")
        before = self.objects()
        # As of a snapshot whose content changed while it was written: nothing is known by its fingerprint.
        for name in os.listdir(self.cryo):
            if name.endswith(".json"):
                self.rewrite(name, lambda manifest: [entry.pop("fingerprint") for entry in manifest["objects"]])
        self.run_cell("new = np.random.default_rng(2).random(400_000); again = new.copy()")
        self.fail_manifest("b")
        self.assertIn("IsADirectoryError", self.store("b"))
        self.assertEqual({name: one.st_ino for name, one in before.items()},
                         {name: one.st_ino for name, one in self.objects().items()})
        self.assertEqual([], self.reload("a")["failed"])

    def test_what_a_cell_defines_comes_back_or_is_named(self):
        self.run_cell(
            "import enum, typing\n"
            "class Mode(enum.Enum): FAST = 1; SLOW = 2; QUICK = 1\n"
            "class Planet(enum.Enum):\n    EARTH = 6, 2\n    def __init__(self, mass, size): self.mass = mass\n"
            "    def half(self): return self.mass / 2 if super() and self in Planet else None\n"
            "class Coded(str, enum.Enum):\n    def __new__(cls, value, label):\n        one = str.__new__(cls, value)\n"
            "        one._value_, one.label = value, label\n        return one\n    A = 'a', 'Label'\n"
            "class Outer:\n    class Right(enum.IntFlag): R = 1; W = 2\n"
            "class Odd(str, enum.Enum):\n    def __new__(cls, value, text):\n        one = str.__new__(cls, text)\n"
            "        one._value_ = value\n        return one\n    A = 1, 'text'\n"
            "results = {'mode': Mode.FAST, 'both': Outer.Right.R | Outer.Right.W}\n"
            "T = typing.TypeVar('T'); UserId = typing.NewType('UserId', int)\nclass Box(typing.Generic[T]): pass\n"
            "P = typing.ParamSpec('P'); Ts = typing.TypeVarTuple('Ts')\nclass Calls(typing.Generic[P]): pass\nbox = Box()")
        stored = self.store()
        self.assertEqual({"Odd"}, {one["name"] for one in stored["skipped"]})
        self.assertTrue(all(one["reason"] for one in stored["skipped"]))
        # What came back can be stored again.
        for _ in range(2):
            self.again()
            restored = self.reload()
            self.assertEqual(([], stored["saved"]), (restored["failed"], restored["restored"]))
            self.assertEqual("(True, True, True, 2)", self.run_cell(
                "results['mode'] is Mode.FAST, Mode.QUICK is Mode.FAST, Mode(2) is Mode.SLOW, len(Mode)"))
            self.assertEqual("(6, 3.0, 'Label', True)", self.run_cell(
                "Planet.EARTH.mass, Planet.EARTH.half(), Coded('a').label, Coded.A == 'a'"))
            self.assertEqual("(True, True, 4, True)", self.run_cell(
                "results['both'] == 3, type(results['both']) is Outer.Right, UserId(4), isinstance(box, Box)"))
            self.assertEqual(stored["saved"], self.store()["saved"])

    def test_no_value_and_no_name_fails_the_whole_store(self):
        self.run_cell("class Exits:\n    def __reduce__(self): raise SystemExit\n"
                      "class Mute(Exception):\n    def __str__(self): raise ValueError\n"
                      "class Fails:\n    def __reduce__(self): raise Mute\n"
                      "shared = []\nclass Once:\n    left = 1\n    def __reduce__(self):\n"
                      "        counts[0] += 1\n        return (str, ()) if counts[0] == 1 else 1 / 0\n"
                      "counts = [0]\nx = 1; exits = Exits(); fails = Fails()\none = [Once(), shared]; two = shared\n"
                      "globals()[5] = 1; open = 1; exit = 2; quit = 4")
        stored = self.store()
        skipped = {one["name"]: one["reason"] for one in stored["skipped"]}
        self.assertEqual({"exits", "fails", "one", "two", "5"}, skipped.keys() & {"exits", "fails", "one", "two", "5"})
        self.assertIn("ZeroDivisionError", skipped["two"])
        self.assertLessEqual({"x", "open", "exit", "quit"}, set(stored["saved"]))
        self.assertNotIn("Out", stored["saved"])
        self.again()
        self.assertEqual([], self.reload()["failed"])
        self.assertEqual("(1, 1, 2, 4)", self.run_cell("x, open, exit, quit"))

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
        self.fail_manifest("a")
        self.assertIn("IsADirectoryError", self.store())
        self.assertEqual({}, self.objects())

    def fail_manifest(self, name):
        """A store of this name fails when all its objects are written."""
        os.makedirs(os.path.join(self.cryo, f"{name}.json.new-{self.process.pid}"))

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
