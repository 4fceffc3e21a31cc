"""The socket: the newest client, and who reads what it says.

While no cell runs, the main thread waits for the client itself, so that no frame has to change
threads before its cell starts. While a cell runs, the reader thread takes frames, so that an
interrupt or a question is heard at once. Handing over costs one system call and wakes nobody.
"""

import collections
import json
import os
import select
import socket
import struct
import threading

FRAME_BYTES = 64 << 20


class Server:
    """Listens, keeps the newest client, hands each of its frames to `on_message`.

    `on_message` returns True for what belongs to the main thread, which gets it from `take`. Where asyncio's
    tasks exist, the main thread runs them while it waits, with `between`, and the reader thread goes on reading.
    """

    def __init__(self, path, outbox, ready, on_message, log, tasks, between):
        self._outbox, self._ready, self._on_message, self._log = outbox, ready, on_message, log
        self._tasks, self._between = tasks, between
        self._queue = collections.deque()
        # Held while the client or what came from it is touched.
        self._lock = threading.Lock()
        self._client = None
        self._buffer = bytearray()
        self._busy = True
        # Wakes the main thread out of its wait: the client is another one.
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._wake, select.POLLIN)
        self._polled = None
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        mask = os.umask(0o177)
        try:
            self._listener.bind(path)
        finally:
            os.umask(mask)
        self._listener.listen(8)
        self._epoll = select.epoll()
        self._epoll.register(self._listener, select.EPOLLIN)

    def start(self):
        """Lets clients in."""
        # A forked child must not hold the connection: its end would tell nobody that we ended.
        os.register_at_fork(after_in_child=self._forget)
        threading.Thread(target=self._read, name="reader", daemon=True).start()

    @property
    def waiting(self):
        """How many messages wait for the main thread, or were taken and have not begun."""
        return len(self._queue)

    def begun(self, message):
        """What was taken has begun, or never will: it waits no longer. The second call does nothing."""
        if self._queue and self._queue[0] is message:
            self._queue.popleft()

    def take(self):
        """In the main thread: the next message for it, which waits on until it has `begun`."""
        while True:
            # In this order: until then the reader thread may bring one.
            self.idle()
            if self._queue:
                break
            if self._busy:
                self._between(lambda: self._queue)
            else:
                self._wait()
        with self._lock:
            if not self._busy:
                self._busy = True
                if self._client is not None:
                    self._epoll.register(self._client, select.EPOLLIN | select.EPOLLONESHOT)
        return self._queue[0]

    def idle(self):
        """The main thread reads for itself again from here on: to be said before the client can answer."""
        with self._lock:
            if self._busy and not self._tasks.exist:
                self._busy = False
                if self._client is not None:
                    self._epoll.unregister(self._client)

    def _wait(self):
        """Waits for the client, or for another one, and takes what it sent."""
        client = self._client
        if client is not self._polled:
            if self._polled is not None:
                self._poll.unregister(self._polled_fd)
            if client is not None:
                self._polled_fd = client.fileno()
                self._poll.register(self._polled_fd, select.POLLIN)
            self._polled = client
        for fd, _ in self._poll.poll():
            if fd == self._wake:
                os.eventfd_read(self._wake)
                return
        with self._lock:
            if self._client is client and client is not None and not self._receive():
                self._drop()

    def _read(self):
        """The reader thread."""
        while True:
            for fd, _ in self._epoll.poll():
                with self._lock:
                    if fd == self._listener.fileno():
                        # A client that is lost without our noticing must not lock out the next.
                        if self._client is not None:
                            if self._busy:
                                self._epoll.unregister(self._client)
                            self._drop()
                        self._accept()
                    elif self._busy and self._client is not None and fd == self._client.fileno():
                        if self._receive():
                            self._epoll.modify(fd, select.EPOLLIN | select.EPOLLONESHOT)
                        else:
                            self._epoll.unregister(fd)
                            self._drop()

    def _forget(self):
        """In a forked child, where no thread but the one that forked goes on."""
        self._listener.close()
        if self._client is not None:
            self._client.close()

    # ── with the lock held ──

    def _accept(self):
        self._client, _ = self._listener.accept()
        self._buffer = bytearray()
        if self._busy:
            self._epoll.register(self._client, select.EPOLLIN | select.EPOLLONESHOT)
        self._outbox.attach(self._client, self._ready())
        os.eventfd_write(self._wake, 1)

    def _drop(self):
        self._outbox.detach(self._client)
        self._client.close()
        self._client = None

    def _receive(self):
        """Takes what has arrived. False when the client has gone or speaks something else."""
        try:
            chunk = self._client.recv(1 << 18, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not chunk:
            return False
        buffer = self._buffer
        buffer += chunk
        while len(buffer) >= 4:
            (length,) = struct.unpack_from(">I", buffer)
            if length > FRAME_BYTES:
                self._log(f"A frame of {length} bytes is over the limit; closing the connection.")
                return False
            if len(buffer) < 4 + length:
                break
            body = bytes(buffer[4:4 + length])
            del buffer[:4 + length]
            self._hear(body)
        return True

    def _hear(self, body):
        try:
            message = json.loads(body)
            if not isinstance(message, dict):
                raise ValueError("not an object")
            if message.get("type") == "hello":
                self._outbox.flow(int(message.get("after") or 0))
                return
            self._outbox.flow()
            if self._on_message(message):
                message["raw"] = body
                self._queue.append(message)
                self._tasks.wake()
        except Exception as error:  # a message that can't be read is skipped, never fatal
            self._log(f"A message was skipped: {type(error).__name__}: {error}")
