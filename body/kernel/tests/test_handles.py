"""Open files in a snapshot: a reload changes none, and a handle stands where it stood or is named."""

import os

from cryocase import CryoCase


class Handles(CryoCase):
    def setUp(self):
        super().setUp()
        self.files = os.path.join(self.folder, "files")
        os.mkdir(self.files)

    def at(self, name="log"):
        return os.path.join(self.files, name)

    def write(self, text, name="log", how="w"):
        with open(self.at(name), how) as file:
            file.write(text)

    def read(self, name="log"):
        with open(self.at(name), "rb") as file:
            return file.read()

    def state(self):
        return {name: (self.read(name), os.stat(self.at(name)).st_mtime_ns) for name in os.listdir(self.files)
                if os.path.isfile(self.at(name))}

    def cell(self, code):
        return self.run_cell(f"p = {self.at()!r}; folder = {self.files!r}\n{code}")

    def reload_elsewhere(self, between=lambda: None):
        """Reloads in another worker. Says the reasons of what failed, by name; no file may change."""
        self.again()
        between()
        before = self.state()
        restored = self.reload()
        self.assertEqual(before, self.state())
        return {one["name"]: one["reason"] for one in restored["failed"]}

    def skipped(self, code):
        self.cell(code)
        return {one["name"]: one["reason"] for one in self.store()["skipped"]}

    def test_one_that_writes_comes_back_at_its_place(self):
        for mode, then in (("w", b"onetwo"), ("w+", b"onetwo"), ("x", b"onetwo"), ("x+", b"onetwo"), ("wb", b"onetwo"),
                           ("r+", b"onetwoold"), ("r+b", b"onetwoold"), ("a", b"old---oldonetwo"),
                           ("a+", b"old---oldonetwo"), ("ab", b"old---oldonetwo")):
            with self.subTest(mode):
                self.write("old---old")
                if "x" in mode:
                    os.unlink(self.at())
                b = "b" if "b" in mode else ""
                self.cell(f"log = open(p, {mode!r}); log.write({b}'one'); shown = log.name, log.mode, log.tell()")
                self.assertEqual([], self.store()["skipped"])
                self.assertEqual({}, self.reload_elsewhere())
                self.assertEqual("True", self.run_cell("(log.name, log.mode, log.tell()) == shown"))
                self.run_cell(f"log.write({b}'two'); log.close()")
                self.assertEqual(then, self.read())

    def test_one_that_was_written_on_is_named_and_its_file_stays(self):
        for mode in ("w", "w+", "x", "wb", "r+"):
            with self.subTest(mode):
                self.write("", how="w")
                if mode == "x":
                    os.unlink(self.at())
                b = "b" if "b" in mode else ""
                self.cell(f"log = open(p, {mode!r}); log.write({b}'one'); raw = {{'log': log}}; other = 1")
                self.store()
                self.run_cell(f"log.write({b}'two'); log.close()")
                failed = self.reload_elsewhere()
                self.assertEqual({"log", "raw"}, set(failed))
                self.assertIn(f"{self.at()} changed after the snapshot was saved", failed["log"])
                self.assertEqual((b"onetwo", "1"), (self.read(), self.run_cell("other")))

    def test_one_that_appends_stands_at_the_end(self):
        self.write("old")
        self.cell("log = open(p, 'a'); log.write('one'); log.flush(); both = open(p, 'a+b'); raw = open(p, 'ab', 0)")
        self.store()
        self.assertEqual({}, self.reload_elsewhere(lambda: self.write("more", how="a")))
        self.assertEqual("(10, 10, 10, 'a', 'ab+', 'ab')", self.run_cell(
            "log.tell(), both.tell(), raw.tell(), log.mode, both.mode, raw.mode"))
        self.run_cell("log.write('two'); log.close(); raw.write(b'three')")
        self.assertEqual(b"oldonemoretwothree", self.read())

    def test_one_that_is_closed_comes_back_closed(self):
        self.cell("with open(p, 'w') as log: log.write('one')\n"
                  "with open(p + '2', 'wb') as binary, open(p + '3', 'xb', 0) as raw: binary.write(b'two')\n"
                  "with open(p + '4', 'a+') as both: pass\nwith open(p) as reads: pass")
        self.assertEqual([], self.store()["skipped"])
        self.assertEqual({}, self.reload_elsewhere(lambda: os.unlink(self.at("log4"))))
        self.assertEqual("[(True, 'w'), (True, 'wb'), (True, 'xb'), (True, 'a+'), (True, 'r')]", self.run_cell(
            "[(each.closed, each.mode) for each in (log, binary, raw, both, reads)]"))
        self.assertEqual("True", self.run_cell("log.name == p and binary.name == p + '2' and both.name == p + '4'"))

    def test_one_that_reads_comes_back_at_its_place_while_its_file_is_there(self):
        self.write("one\r\nzwei äö\r\nthree\r\n")
        self.cell("text = open(p, encoding='utf-8'); line = text.readline(); text.read(6)\n"
                  "plain = open(p, newline=''); plain.readline(); lines = open(p, newline='\\n'); lines.readline()\n"
                  "binary = open(p, 'rb'); binary.read(3); raw = open(p, 'rb', 0); raw.read(2)")
        self.assertEqual([], self.store()["skipped"])
        self.assertEqual("'ö\\n'", self.run_cell("text.readline()"))
        # What grows is still what it was up to there.
        for more in ("", "four\r\n"):
            self.assertEqual({}, self.reload_elsewhere(lambda: more and self.write(more, how="a")))
            self.assertEqual("('ö\\n', 'zwei äö\\r\\n', 'zwei äö\\r\\n', b'\\r\\n', b'e\\r\\n')", self.run_cell(
                "text.readline(), plain.readline(), lines.readline(), binary.readline(), raw.read(3)"))
        failed = self.reload_elsewhere(lambda: self.write("x"))
        self.assertEqual({"text", "plain", "lines", "binary", "raw"}, set(failed))
        failed = self.reload_elsewhere(lambda: os.unlink(self.at()))
        self.assertEqual({"text", "plain", "lines", "binary", "raw"}, set(failed))
        self.assertIn("No such file", failed["raw"])

    def test_one_of_which_the_place_is_not_known_is_named(self):
        self.write("one\ntwo\n")
        self.assertIn("while a loop reads its lines", self.skipped("log = open(p); next(log)")["log"])

    def test_one_of_a_file_that_is_gone_or_something_else_is_named(self):
        self.cell("written = open(p, 'w'); appended = open(p + '2', 'a'); read = open(p + '3', 'w+'); x = 1")
        self.store()

        def replace():
            for name in os.listdir(self.files):
                os.unlink(self.at(name))
            os.mkfifo(self.at("log2"))
            os.symlink("/nowhere", self.at("log3"))

        self.again()
        replace()
        restored = self.reload()
        self.assertEqual({"written", "appended", "read"}, {one["name"] for one in restored["failed"]})
        self.assertEqual({"log2", "log3"}, set(os.listdir(self.files)))
        self.assertIn("x", restored["restored"])

    def test_the_path_is_the_files_own(self):
        # Of a file that was renamed, or opened by a path or descriptor that means something else elsewhere.
        self.cell("import os\nos.chdir(folder); near = open('near', 'w'); near.write('one')\n"
                  "os.chdir('/'); moved = open(p, 'w'); moved.write('two'); os.rename(p, p + '2')\n"
                  "by_number = os.fdopen(os.open(p + '3', os.O_RDWR | os.O_CREAT), 'r+'); by_number.write('three')")
        self.store()
        self.assertEqual({}, self.reload_elsewhere())
        self.run_cell("for each in near, moved, by_number: each.write('+'); each.close()")
        self.assertEqual((b"one+", b"two+", b"three+"), tuple(map(self.read, ("near", "log2", "log3"))))
        self.assertEqual("('near', True)", self.run_cell("near.name, by_number.name == p + '3'"))

    def test_a_reload_in_the_same_process_loses_nothing_that_was_not_written_yet(self):
        self.cell("log = open(p, 'w'); log.write('one')")
        self.store()
        self.run_cell("log.write('two')")
        self.assertEqual(["log"], [one["name"] for one in self.reload()["failed"]])
        self.run_cell("log.write('three'); log.close()")
        self.assertEqual(b"onetwothree", self.read())

    def test_wrappers_and_shared_parts_stay_what_they_are(self):
        self.cell("import io\n"
                  "text = io.TextIOWrapper(open(p, 'wb'), encoding='utf-16', write_through=True); text.write('a')\n"
                  "buffer = text.buffer; raw = buffer.raw; write = text.write; also = [text]\n"
                  "memory = io.TextIOWrapper(io.BytesIO(b'one\\ntwo\\n')); memory.readline()\n"
                  "null = open('/dev/null', 'w'); random = open('/dev/urandom', 'rb')")
        self.assertEqual([], self.store()["skipped"])
        self.assertEqual({}, self.reload_elsewhere())
        self.assertEqual("(True, True, True, 'utf-16', 'two\\n', 1, 4)", self.run_cell(
            "text.buffer is buffer, buffer.raw is raw, also[0] is text, text.encoding, memory.readline(),"
            " null.write('x'), len(random.read(4))"))
        self.run_cell("write('b'); text.close()")
        self.assertEqual("ab", self.read().decode("utf-16"))

    def test_the_streams_of_cells_are_the_new_processes_own(self):
        self.cell("import sys; out, err, read = sys.stdout, sys.stderr, sys.stdin")
        self.assertEqual([], self.store()["skipped"])
        self.assertEqual({}, self.reload_elsewhere())
        self.assertEqual("(True, True, True)", self.run_cell(
            "import sys; out is sys.__stdout__, err is sys.__stderr__, read is sys.__stdin__"))

    def test_archives_that_are_open(self):
        self.write("text")
        self.cell("import gzip, bz2, lzma, zipfile, tarfile\n"
                  "for kind in gzip, bz2, lzma:\n"
                  "    with kind.open(f'{p}.{kind.__name__}', 'wb') as done: done.write(b'0123456789')\n"
                  "del done\n"
                  "packed = gzip.open(p + '.gzip'); packed.read(3); text = gzip.open(p + '.gzip', 'rt'); text.read(4)\n"
                  "b = bz2.open(p + '.bz2'); b.read(5); x = lzma.open(p + '.lzma'); x.read(6)\n"
                  "writes = gzip.open(p + 'w.gz', 'wb'); writes.write(b'x'); texts = bz2.open(p + 'w.bz', 'wt')\n"
                  "z = zipfile.ZipFile(p + '.zip', 'w'); z.writestr('a', 'AAA')\n"
                  "t = tarfile.open(p + '.tar', 'w'); t.add(p, 'one'); tz = tarfile.open(p + '.tgz', 'w:gz')\n"
                  "with zipfile.ZipFile(p + '2.zip', 'w') as closed: closed.writestr('a', 'A')")
        skipped = {one["name"]: one["reason"] for one in self.store()["skipped"]}
        self.assertEqual({"writes", "texts", "tz"}, set(skipped))
        self.assertIn("only complete when it is closed", skipped["writes"])
        self.assertEqual({}, self.reload_elsewhere())
        self.assertEqual("(b'34', '45', b'56', b'67')", self.run_cell(
            "packed.read(2), text.read(2), b.read(2), x.read(2)"))
        self.assertEqual("(['a', 'b'], b'AAA', ['one', 'two'], ['a'])", self.run_cell(
            "import zipfile, tarfile\nz.writestr('b', 'B'); z.close(); t.add(p, 'two'); t.close()\n"
            "again = zipfile.ZipFile(p + '.zip')\n"
            "again.namelist(), again.read('a'), tarfile.open(p + '.tar').getnames(), zipfile.ZipFile(p + '2.zip').namelist()"))

    def test_archives_whose_file_was_finished_meanwhile_are_named(self):
        self.cell("import zipfile; z = zipfile.ZipFile(p, 'w'); z.writestr('a', 'A')")
        self.store()
        self.run_cell("z.writestr('b', 'B'); z.close()")
        self.assertEqual({"z"}, set(self.reload_elsewhere()))
        self.assertEqual("['a', 'b']", self.run_cell("import zipfile; zipfile.ZipFile(p).namelist()"))

    def test_temporary_files(self):
        skipped = self.skipped(
            "import tempfile\ntempfile.tempdir = folder\n"
            "named = tempfile.NamedTemporaryFile(); nameless = tempfile.TemporaryFile(); place = tempfile.TemporaryDirectory()\n"
            "stays = tempfile.NamedTemporaryFile('w', delete=False); stays.write('one'); name = stays.name\n"
            "memory = tempfile.SpooledTemporaryFile(100); memory.write(b'two')\n"
            "spilt = tempfile.SpooledTemporaryFile(1); spilt.write(b'three')\n"
            "with tempfile.NamedTemporaryFile() as over: pass")
        self.assertEqual({"named", "nameless", "place", "spilt"}, set(skipped))
        self.assertIn("is deleted with", skipped["named"])
        self.assertEqual({}, self.reload_elsewhere())
        self.assertEqual("(True, 3, True)", self.run_cell("stays.name == name, memory.tell(), over.closed"))
        self.run_cell("stays.write('two'); stays.close()")
        self.assertIn(b"onetwo", [content for content, _ in self.state().values()])
