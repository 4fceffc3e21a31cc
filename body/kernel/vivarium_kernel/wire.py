"""Frames, the ring of past events, and the one client.

A frame is a 4-byte big-endian length and that many bytes of UTF-8 JSON. Everything sent passes
through the ring, which is at once the send queue and the memory for a client that comes back:
a client is a position in it. What nobody fetched in time is dropped from the front, and a client
whose position was dropped gets `{"type": "truncated", "from", "to"}` in its place.
"""

import collections
import json
import os
import selectors
import socket
import struct
import threading
import time

RING_BYTES = 64 << 20
# How far a client may lag before a cell that floods it is held up, and for how long that may
# last without the client taking anything.
LAG_BYTES = 8 << 20
STALL_S = 1.0
FRAME_BYTES = 64 << 20


def _finite(value):
    """The same value with what JSON lacks (NaN, odd keys, foreign types) turned into text."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if value is None or isinstance(value, (str, int, float)):
        return value
    return str(value)


_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def encode(message):
    """One frame. Lone surrogates become `?`, NaN becomes null: neither is JSON."""
    try:
        text = _encoder.encode(message)
    except (ValueError, TypeError):
        text = _encoder.encode(_finite(message))
    body = text.encode("utf-8", "replace")
    return struct.pack(">I", len(body)) + body


class Outbox:
    """The ring and the connection that is fed from it. Safe from any thread.

    `guard` is a context manager that holds interrupts back in the main thread.
    """

    def __init__(self, guard):
        self._guard = guard
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        # Entries: (seq or None, client generation or None, frame). `_first` is the index of the
        # ring's oldest entry, counted from the beginning of time; `_next` of the one to be sent.
        self._ring = collections.deque()
        self._first = 0
        self._bytes = 0
        self._seq = 0
        self._client = None
        self._generation = 0
        self._flowing = False
        self._next = 0
        self._part = None
        self._sent = 0
        self._lag = 0
        self._stalled = False
        threading.Thread(target=self._feed, name="sender", daemon=True).start()

    @property
    def seq(self):
        """The last event's number."""
        return self._seq

    def event(self, message):
        """Sends and keeps an event, which gets the next seq."""
        with self._guard, self._lock:
            self._seq += 1
            message["seq"] = self._seq
            self._put(self._seq, None, encode(message))

    def reply(self, message):
        """Sends to the present client only; forgotten where there is none."""
        frame = encode(message)
        with self._guard, self._lock:
            if self._client is not None:
                self._put(None, self._generation, frame)

    def attach(self, client, hello):
        """Takes a new client. `hello` goes out at once; events wait for the client's first frame."""
        with self._lock:
            self._client = client
            self._generation += 1
            self._flowing = False
            self._stalled = False
            self._part = memoryview(encode(hello))
            self._next = self._first + len(self._ring)
            self._sent = self._seq
            self._lag = 0
            self._push()
            self._wake.notify_all()

    def flow(self, after=None):
        """The client spoke: lets events go from where it attached, or from after seq `after`."""
        with self._lock:
            if self._client is None:
                return
            if after is not None:
                self._next = self._first
                for entry in self._ring:
                    if entry[0] is not None and entry[0] > after:
                        break
                    self._next += 1
                oldest = next((entry[0] for entry in self._ring if entry[0] is not None), self._seq + 1)
                if after + 1 < oldest:
                    self._miss(after + 1, oldest - 1)
                self._sent = max(after, oldest - 1)
                self._lag = sum(len(entry[2]) for entry in list(self._ring)[self._next - self._first:])
            elif self._flowing:
                return
            self._flowing = True
            self._push()
            self._wake.notify_all()

    def detach(self, client):
        """Forgets a client that has gone."""
        with self._lock:
            if self._client is client:
                self._client = None
                self._part = None
                self._wake.notify_all()

    def throttle(self):
        """Waits while a living client lags far behind; gives up on one that takes nothing."""
        if self._lag < LAG_BYTES or self._stalled or self._client is None:
            return
        seen, since = self._next, time.monotonic()
        with self._lock:
            while self._client is not None and self._lag >= LAG_BYTES // 2:
                self._wake.wait(0.05)
                now = time.monotonic()
                if self._next != seen:
                    seen, since = self._next, now
                elif now - since > STALL_S:
                    self._stalled = True
                    return

    # ── with the lock held ──

    def _put(self, seq, generation, frame):
        caught_up = self._part is None and self._next == self._first + len(self._ring)
        self._ring.append((seq, generation, frame))
        self._bytes += len(frame)
        self._lag += len(frame)
        while self._bytes > RING_BYTES and len(self._ring) > 1:
            self._bytes -= len(self._ring.popleft()[2])
            self._first += 1
        if self._client is None:
            return
        if caught_up and self._flowing:
            self._push()
        if self._flowing and (self._part is not None or self._lag):
            self._wake.notify_all()

    def _miss(self, first, last):
        frame = memoryview(encode({"type": "truncated", "from": first, "to": last}))
        self._part = frame if self._part is None else memoryview(bytes(self._part) + bytes(frame))

    def _push(self):
        """Sends what the socket takes without waiting. True when all is sent."""
        while self._client is not None:
            if self._part is None:
                if not self._flowing:
                    return True
                if self._next < self._first:
                    oldest = next((entry[0] for entry in self._ring if entry[0] is not None), self._seq + 1)
                    if oldest > self._sent + 1:
                        self._miss(self._sent + 1, oldest - 1)
                    self._next = self._first
                    self._lag = self._bytes
                    continue
                index = self._next - self._first
                if index >= len(self._ring):
                    self._lag = 0
                    self._stalled = False
                    return True
                seq, generation, frame = self._ring[index]
                self._sent = seq or self._sent
                self._next += 1
                self._lag -= len(frame)
                if generation is not None and generation != self._generation:
                    continue
                self._part = memoryview(frame)
            try:
                sent = self._client.send(self._part, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return False
            except OSError:
                self._client = None
                self._part = None
                return True
            self._part = self._part[sent:] if sent < len(self._part) else None
        return True

    def _feed(self):
        """The sender thread: goes on where the direct way met a full socket."""
        while True:
            with self._lock:
                while self._client is None or self._push():
                    self._wake.wait()
                self._wake.notify_all()
                client = self._client
            poll = selectors.PollSelector()
            try:
                poll.register(client, selectors.EVENT_WRITE)
                poll.select(1.0)
            except (ValueError, OSError):
                pass
            finally:
                poll.close()


class Server:
    """Listens, keeps the newest client, hands each of its frames to `on_message`."""

    def __init__(self, path, outbox, ready, on_message, log):
        self._outbox, self._ready, self._on_message, self._log = outbox, ready, on_message, log
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
        threading.Thread(target=self._serve, name="reader", daemon=True).start()

    def _serve(self):
        selector = selectors.DefaultSelector()
        selector.register(self._listener, selectors.EVENT_READ)
        client, buffer = None, bytearray()
        while True:
            for key, _ in selector.select():
                if key.fileobj is self._listener:
                    # A client that is lost without our noticing must not lock out the next.
                    if client is not None:
                        self._drop(selector, client)
                    client, _ = self._listener.accept()
                    buffer = bytearray()
                    selector.register(client, selectors.EVENT_READ)
                    self._outbox.attach(client, self._ready())
                    break
                if not self._receive(client, buffer):
                    self._drop(selector, client)
                    client = None

    def _drop(self, selector, client):
        self._outbox.detach(client)
        selector.unregister(client)
        client.close()

    def _receive(self, client, buffer):
        """Takes what has arrived. False when the client has gone or speaks something else."""
        try:
            chunk = client.recv(1 << 18)
        except OSError:
            return False
        if not chunk:
            return False
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
            try:
                message = json.loads(body)
                if not isinstance(message, dict):
                    raise ValueError("not an object")
                if message.get("type") == "hello":
                    self._outbox.flow(int(message.get("after") or 0))
                else:
                    self._outbox.flow()
                    self._on_message(message)
            except Exception as error:  # a message that can't be read is skipped, never fatal
                self._log(f"A message was skipped: {type(error).__name__}: {error}")
        return True
