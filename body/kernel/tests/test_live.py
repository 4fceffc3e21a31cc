"""What belongs to a process: named as skipped, or what another process can make of it."""

import os

from cryocase import CryoCase


class Live(CryoCase):
    def skipped(self, code):
        self.run_cell(code)
        return {one["name"]: one["reason"] for one in self.store()["skipped"]}

    def reload_elsewhere(self):
        self.again()
        return {one["name"]: one["reason"] for one in self.reload()["failed"]}

    def test_connections_are_named(self):
        skipped = self.skipped(
            "import multiprocessing, os, socket, sqlite3, mmap, shelve, dbm.dumb, select\n"
            f"folder = {self.folder!r}\n"
            "one, other = socket.socketpair(); lines = one.makefile('rw'); packets = one.makefile('rb', 0)\n"
            "read, write = os.pipe(); reads, writes = os.fdopen(read), os.fdopen(write, 'w')\n"
            "db = sqlite3.connect(':memory:'); cursor = db.cursor()\n"
            "mapped = mmap.mmap(-1, 10); poll = select.epoll()\n"
            "table = dbm.dumb.open(folder + '/table'); table['a'] = 'b'\n"
            "shelf = shelve.Shelf(dbm.dumb.open(folder + '/shelf')); memory = shelve.Shelf({})\n"
            "end, far = multiprocessing.Pipe(); served = socket.create_server(('127.0.0.1', 0))\n"
            "del read, write")
        self.assertEqual({"one", "other", "lines", "packets", "reads", "writes", "db", "cursor", "mapped", "poll",
                          "table", "shelf", "end", "far", "served"}, set(skipped))
        for name, word in {"one": "socket", "lines": "can't be saved", "reads": "a pipe", "writes": "a pipe",
                           "db": "runtime.resource", "table": "open it again"}.items():
            self.assertIn(word, skipped[name])
        self.assertEqual({}, self.reload_elsewhere())

    def test_processes_and_threads_are_named_and_what_ended_comes_back(self):
        skipped = self.skipped(
            "import concurrent.futures, multiprocessing, os, subprocess, threading\n"
            "runs = subprocess.Popen(['sleep', '60']); piped = subprocess.Popen(['cat'], stdin=-1, stdout=-1)\n"
            "ended = subprocess.Popen(['sh', '-c', 'exit 3']); ended.wait(); held = [runs]\n"
            "stop = threading.Event(); thread = threading.Thread(target=stop.wait, daemon=True); thread.start()\n"
            "over = threading.Thread(target=int); over.start(); over.join()\n"
            "timer = threading.Timer(60, int); timer.daemon = True; timer.start(); main = threading.main_thread()\n"
            "threads = concurrent.futures.ThreadPoolExecutor(1); future = threads.submit(stop.wait)\n"
            "known = threads.submit(int) and concurrent.futures.Future(); known.set_result(4)\n"
            "processes = concurrent.futures.ProcessPoolExecutor(1)\n"
            "child = multiprocessing.get_context('fork').Process(target=stop.wait, daemon=True); child.start()\n"
            "lines = os.popen('cat')")
        self.run_cell("runs.kill(); piped.kill(); child.kill(); stop.set(); timer.cancel()")
        self.assertEqual({"runs", "piped", "held", "thread", "over", "timer", "main", "threads", "future", "processes", "child",
                          "lines"}, set(skipped))
        self.assertIn("runtime.shell.resource", skipped["runs"])
        self.assertEqual({}, self.reload_elsewhere())
        self.assertEqual("(3, 3, 4)", self.run_cell("ended.poll(), ended.wait(), known.result()"))

    def test_what_belongs_to_an_event_loop_is_named(self):
        skipped = self.skipped(
            "import asyncio\n"
            "process = await asyncio.create_subprocess_exec('cat', stdin=-1)\n"
            "server = await asyncio.start_server(lambda *_: None, '127.0.0.1', 0)\n"
            "reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())\n"
            "transport, loop = writer.transport, asyncio.get_running_loop(); task = asyncio.ensure_future(asyncio.sleep(0))\n"
            "handle = loop.call_later(60, int); future = loop.create_future(); other = asyncio.new_event_loop()\n"
            "event, queue, lock = asyncio.Event(), asyncio.Queue(), asyncio.Lock()")
        self.run_cell("process.kill()")
        self.assertEqual({"process", "server", "reader", "writer", "transport", "loop", "task", "handle", "future",
                          "other"}, set(skipped))
        self.assertIn("event loop", skipped["loop"])
        self.assertEqual({}, self.reload_elsewhere())
        self.assertEqual("(True, True)", self.run_cell("await queue.put(1); await lock.acquire(), queue.qsize() == 1"))

    def test_locks_come_back_free(self):
        self.run_cell("import threading\nlock, again, free = threading.Lock(), threading.RLock(), threading.Lock()\n"
                      "lock.acquire(); again.acquire(); same = lock; held = {'lock': lock}\n"
                      "event, count = threading.Event(), threading.Semaphore(2); event.set()")
        self.assertEqual([], self.store()["skipped"])
        self.assertEqual({}, self.reload_elsewhere())
        self.assertEqual("(True, True, True, True, True, 2)", self.run_cell(
            "same is lock and held['lock'] is lock, lock.acquire(timeout=5), again.acquire(timeout=5),"
            " free.acquire(timeout=5), event.is_set(), count._value"))

    def test_an_address_is_named(self):
        self.assertIn("address", self.skipped("import datetime; capsule = datetime.datetime_CAPI")["capsule"])

    def test_arrays_in_files_come_back_in_their_files(self):
        path = os.path.join(self.folder, "numbers")
        self.run_cell(f"import numpy as np, mmap; path = {path!r}\n"
                      "numbers = np.memmap(path, 'int32', 'w+', shape=(500, 1000)); numbers[:] = np.arange(500_000).reshape(500, 1000)\n"
                      "part = numbers[1:400:2, ::-3]; plain = np.asarray(numbers)[3]; read = np.memmap(path, 'int32', 'r', 4000, (1000,))\n"
                      "np.save(path + '.npy', np.arange(10.0)); saved = np.load(path + '.npy', mmap_mode='r+')\n"
                      "column = np.memmap(path, 'int32', 'r+', shape=(1000, 500), order='F')\n"
                      "copy = numbers.copy(); private = np.memmap(path, 'int32', 'c'); both = {'numbers': numbers}\n"
                      "file = open(path, 'r+b'); by_hand = np.frombuffer(mmap.mmap(file.fileno(), 0), 'int32')\n"
                      "sums = [int(one.sum()) for one in (numbers, part, plain, read, saved, column, copy)]\n"
                      "memory = np.frombuffer(mmap.mmap(-1, 4096), 'u1')\ndel file")
        skipped = {one["name"]: one["reason"] for one in self.store()["skipped"]}
        self.assertEqual({"private", "by_hand"}, set(skipped))
        before = os.stat(path).st_mtime_ns
        self.assertEqual({}, self.reload_elsewhere())
        self.assertEqual(before, os.stat(path).st_mtime_ns)
        self.assertEqual("True", self.run_cell(
            "[int(one.sum()) for one in (numbers, part, plain, read, saved, column, copy)] == sums"))
        self.assertEqual("(['memmap', 'memmap', 'ndarray', 'memmap', 'memmap', 'memmap'], True)", self.run_cell(
            "[type(one).__name__ for one in (numbers, part, plain, read, saved, column)], both['numbers'] is numbers"))
        self.assertEqual("('r', 4000, False, True, True, (8000, -12))", self.run_cell(
            "read.mode, read.offset, read.flags.writeable, read.filename == path, column.flags.f_contiguous, part.strides"))
        # All show the one file.
        self.assertEqual("(7, 7, 7)", self.run_cell(
            "numbers[3, 999] = 7; int(part[1, 0]), int(plain[999]), int(np.memmap(path, 'int32', 'r')[3999])"))
        self.run_cell("numbers.flush()")

    def test_arrays_in_files_that_changed_or_went_are_named(self):
        path = os.path.join(self.folder, "numbers")
        self.run_cell(f"import numpy as np; path = {path!r}\nnumbers = np.memmap(path, 'u1', 'w+', shape=(100,))\n"
                      "gone = np.memmap(path + '2', 'u1', 'w+', shape=(100,)); x = 1")
        self.store()
        self.again()
        os.unlink(path + "2")
        os.truncate(path, 50)
        failed = self.reload()["failed"]
        self.assertEqual({"numbers", "gone"}, {one["name"] for one in failed})
        self.assertEqual((50, False), (os.stat(path).st_size, os.path.exists(path + "2")))

    def test_loggers_get_their_levels_and_handlers_back(self):
        path = os.path.join(self.folder, "log")
        self.run_cell(f"import logging, logging.handlers, sys; path = {path!r}\n"
                      "class Holds:\n    def __init__(self): self.log = logging.getLogger('app.part')\n"
                      "log = logging.getLogger('app'); log.setLevel('DEBUG'); log.propagate = False\n"
                      "handler = logging.FileHandler(path, 'w'); handler.setFormatter(logging.Formatter('%(message)s'))\n"
                      "log.addHandler(handler); log.addHandler(logging.StreamHandler(sys.stdout)); log.debug('one')\n"
                      "part = Holds(); part.log.setLevel('INFO'); logging.getLogger().setLevel('ERROR')\n"
                      "turned = logging.handlers.RotatingFileHandler(path + '2', maxBytes=1000)\n"
                      "later = logging.FileHandler(path + '3', 'w', delay=True)")
        self.assertEqual([], self.store()["skipped"])
        self.run_cell("log.debug('two')")
        self.assertEqual({}, self.reload_elsewhere())
        with open(path) as file:
            self.assertEqual("one\ntwo\n", file.read())
        done, outputs = self.client.execute("log.debug('three'); part.log.debug('never'); part.log.info('four')")
        self.assertEqual(("completed", "three\nfour\n"), (done["status"], self.text(outputs)))
        with open(path) as file:
            self.assertEqual("one\ntwo\nthree\nfour\n", file.read())
        self.assertEqual("(10, 20, 40, False, True)", self.run_cell(
            "import logging; log.level, part.log.level, logging.getLogger().level, log.propagate, log.handlers[0] is handler"))
        # Once more in the same process: no handler twice, and what was in the file stays.
        self.reload()
        self.assertEqual("2", self.run_cell("len(log.handlers)"))
        self.assertEqual("False", self.run_cell("import os; os.path.exists(path + '3')"))

    def test_a_log_file_that_went_is_not_made_by_a_reload(self):
        path = os.path.join(self.folder, "log")
        self.run_cell(f"import logging; log = logging.getLogger('app'); log.addHandler(logging.FileHandler({path!r}))\n"
                      "class Holds:\n    def __init__(self): self.log = logging.getLogger('app.part')\n"
                      "holds = Holds(); log.setLevel('INFO')")
        self.store()
        self.again()
        os.unlink(path)
        self.assertEqual(["log"], [one["name"] for one in self.reload()["failed"]])
        self.assertFalse(os.path.exists(path))
        # It is in no logger half made; what only has to do with it comes back.
        self.run_cell("import logging; logging.getLogger('app').error('x'); holds.log.error('x')")
