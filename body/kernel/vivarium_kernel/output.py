"""What a cell writes: Python's streams and file descriptors 1 and 2, in order, as events.

Python's own writes are put together in memory. Descriptors 1 and 2 are pipes, so that child
processes and C code are captured too; the pipes are emptied before each Python write, before a
display and before the cell's end, and by the pump thread in between.
"""

import codecs
import collections
import io
import math
import os
import select
import threading
import time

CHUNK = 64 << 10
FLUSH_S = 0.02
# A write so soon after another joins it without a look at the pipes: no child starts and ends in this time.
JOIN_S = 0.0002

# Whether this is a forked copy of the worker.
_is_copy = False


def _now_a_copy():
    global _is_copy
    _is_copy = True


os.register_at_fork(after_in_child=_now_a_copy)


class Output:
    """Collects text per stream and emits it in chunks of at most 64 KiB, after at most 20 ms."""

    def __init__(self, outbox, guard):
        self._outbox, self._guard = outbox, guard
        self._lock = threading.RLock()
        self._name = "stdout"
        # Filled without the lock: what is taken out is taken one by one, so nothing is lost.
        self._parts = collections.deque()
        self._size = 0
        self._looked = 0.0
        self._execution_id = None
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._pipes = {}
        self._decoders = {}
        self._poll = select.poll()
        for fd, name in ((1, "stdout"), (2, "stderr")):
            read, write = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(read, False)
            os.dup2(write, fd, inheritable=True)
            os.close(write)
            self._pipes[read] = name
            self._decoders[name] = codecs.getincrementaldecoder("utf-8")("replace")
            self._poll.register(read, select.POLLIN)
        # In a copy nothing joins: its streams write to their descriptors.
        os.register_at_fork(after_in_child=lambda: setattr(self, "_looked", -math.inf))
        threading.Thread(target=self._pump, name="pump", daemon=True).start()

    def begin(self, execution_id, request):
        """From here on output belongs to this execution; what came late, to the one before."""
        with self._guard, self._lock:
            self._drain()
            self._flush()
            self._execution_id = execution_id
            self._outbox.started(request)

    def write(self, name, text):
        """Adds text that Python wrote."""
        now = time.perf_counter()
        with self._guard, self._lock:
            self._drain()
            self._add(name, text)
            self._looked = now
        self._outbox.throttle()

    def joining(self, name, write):
        """`write`, but for text that only joins what was written just before: a flood of prints is nothing
        but this."""
        clock, parts = time.perf_counter, self._parts
        join = parts.append

        def joins(text):
            if clock() - self._looked < JOIN_S and name is self._name and self._size < CHUNK and parts and type(text) is str:
                size = len(text)
                self._size += size
                join(text)
                return size
            return write(text)

        return joins

    def emit(self, output, more=False):
        """Sends an output object after all that was written before it; with what comes next if that is `more`."""
        self.tell("event", more, output=output)

    def tell(self, kind, more=False, **fields):
        """Sends an event of the present cell after all that was written before it."""
        if _is_copy:
            return  # a forked child must not write to our socket
        with self._guard, self._lock:
            self._drain()
            self._flush()
            self._outbox.event({"type": kind, "execution_id": self._execution_id, **fields}, more)

    def finish(self):
        """Sends everything that was written so far."""
        with self._guard, self._lock:
            self._drain()
            self._flush()

    def _add(self, name, text):
        if name != self._name:
            self._flush()
            self._name = name
        if not self._parts:
            try:
                os.write(self._wake_write, b".")
            except BlockingIOError:
                pass  # the pump has more than enough of them
        self._parts.append(text)
        self._size += len(text)
        if self._size >= CHUNK:
            self._flush()

    def _flush(self):
        if not self._parts:
            return
        taken = []
        try:
            while True:
                taken.append(self._parts.popleft())
        except IndexError:
            pass
        text = "".join(taken)
        self._size = 0
        for start in range(0, len(text), CHUNK):
            output = {"output_type": "stream", "name": self._name, "text": text[start:start + CHUNK]}
            self._outbox.event({"type": "event", "execution_id": self._execution_id, "output": output})

    def _drain(self):
        """Takes what lies in the pipes, and no more than a flooding child has put there by now."""
        for _ in range(16):
            ready = self._poll.poll(0)
            if not ready:
                return
            for fd, _ in ready:
                name = self._pipes[fd]
                try:
                    data = os.read(fd, CHUNK)
                except BlockingIOError:
                    continue
                text = self._decoders[name].decode(data)
                if text:
                    self._add(name, text)

    def _pump(self):
        # A poll object serves one thread at a time: these two are the pump's own.
        poll, more = select.poll(), select.poll()
        poll.register(self._wake_read, select.POLLIN)
        for fd in self._pipes:
            poll.register(fd, select.POLLIN)
            more.register(fd, select.POLLIN)
        idle = False
        while True:
            # What joined just behind the last look has woken nobody.
            poll.poll(None if idle else FLUSH_S * 1000)
            idle = not self._parts
            # Let more arrive: many small writes become one event. A full pipe doesn't wait.
            deadline = time.monotonic() + FLUSH_S
            while True:
                with self._lock:
                    before = self._outbox.seq
                    self._drain()
                    full = self._outbox.seq != before
                if full:
                    self._outbox.throttle()
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                if not more.poll(max(1, int(left * 1000))):
                    break
                if not full:
                    time.sleep(0.001)
            with self._lock:
                self._drain()
                self._flush()
                try:
                    while os.read(self._wake_read, 4096):
                        pass
                except BlockingIOError:
                    pass


class Stream(io.TextIOBase):
    """sys.stdout or sys.stderr. In a forked child it writes to the descriptor."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, output, name, fd):
        super().__init__()
        self._output, self._name, self._fd = output, name, fd
        self.buffer = _Buffer(fd)
        self.write = output.joining(name, self.write)

    @property
    def name(self):
        return f"<{self._name}>"

    def fileno(self):
        return self._fd

    def writable(self):
        return True

    def isatty(self):
        return False

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if text:
            if _is_copy:
                self.buffer.write(text.encode("utf-8", "replace"))
            else:
                self._output.write(self._name, text)
        return len(text)

    def flush(self):
        pass

    def close(self):
        pass


class _Buffer(io.RawIOBase):
    """Bytes straight to the descriptor, all of them."""

    def __init__(self, fd):
        super().__init__()
        self._fd = fd

    def fileno(self):
        return self._fd

    def writable(self):
        return True

    def write(self, data):
        view = memoryview(data).cast("B")
        left = view
        while left:
            left = left[os.write(self._fd, left):]
        return len(view)

    def close(self):
        pass
