"""Frames, and the ring of past events that the one client is fed from.

A frame is a 4-byte big-endian length and that many bytes of UTF-8 JSON. Everything sent passes
through the ring, which is at once the send queue and the memory for a client that comes back:
a client is a position in it. What nobody fetched in time is dropped from the front, and a client
whose position was dropped gets `{"type": "truncated", "from", "to"}` in its place.
"""

import collections
import json
import selectors
import socket
import struct
import threading
import time

RING_BYTES = 64 << 20
# The supervisor keeps no more cells either.
RING_CELLS = 256
# How far a client may lag before a cell that floods it is held up, and for how long that may
# last without the client taking anything.
LAG_BYTES = 8 << 20
# What one output, or one answer, may take; and what the supervisor reads as one frame: at a larger one the
# link would end, and the cell with it.
LARGEST_BYTES = 64 << 20
LONGEST_FRAME = 512 << 20
STALL_S = 1.0
# Small frames that wait together go out together.
GATHER_BYTES = 64 << 10


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


def encode_fitting(message):
    """One frame; of an output or an answer that is too large, one that says so in its place."""
    frame = encode(message)
    if len(frame) <= LARGEST_BYTES:
        return frame
    if message["type"] not in ("answer", "done", "event"):
        # For a program, as a comm's message is: whole, or not at all.
        if len(frame) > LONGEST_FRAME:
            raise ValueError(f"a message of {len(frame) >> 20} MiB can't be sent; the limit is {LONGEST_FRAME >> 20} MiB")
        return frame
    return encode(_without_bulk(message, f"{len(frame) >> 20} MiB were not shown: the limit for one output is "
                                         f"{LARGEST_BYTES >> 20} MiB. Show a part of it, or write it to a file."))


def _without_bulk(message, said):
    kind, text = message["type"], f"<{said}>"
    if kind == "answer":
        return {"type": kind, "ask": message.get("ask"), "error": said}
    if kind == "done":
        error = message["error"] and {**message["error"], "message": text, "traceback": text}
        return {**message, "result": message["result"] and text, "error": error}
    output = message["output"]
    if output["output_type"] == "error":
        output = {**output, "evalue": text, "traceback": [text]}
    else:
        output = {**output, "data": {"text/plain": text}, "metadata": {}}
    return {**message, "output": output}


class Outbox:
    """The ring and the connection that is fed from it. Safe from any thread.

    `guard` is a context manager that holds interrupts back in the main thread.
    """

    def __init__(self, guard):
        self._guard = guard
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        # Entries: (seq or None, client generation or None, frame); a generation is the only one that the frame
        # is for, its negative the only one that it is not for. `_first` is the index of the
        # ring's oldest entry, counted from the beginning of time; `_next` of the one to be sent.
        self._ring = collections.deque()
        self._first = 0
        self._starts = collections.deque()
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

    def event(self, message, more=False):
        """Sends and keeps an event, which gets the next seq.

        Where `more` is about to come, it waits for that: two frames in one call wake the client once.
        """
        with self._guard, self._lock:
            message["seq"] = self._seq + 1
            frame = encode_fitting(message)
            self._seq += 1
            self._put(self._seq, None, frame, more)

    def started(self, request):
        """Keeps an `execute` frame's own bytes as the event of its start, for clients to come: the present one knows."""
        with self._guard, self._lock:
            self._starts.append(self._first + len(self._ring))
            if len(self._starts) > RING_CELLS:
                self._starts.popleft()
                while self._first < self._starts[0]:
                    self._drop()
            self._seq += 1
            body = b'{"type":"started","seq":%d,"at_s":%.3f,"request":%b}' % (self._seq, time.monotonic(), request)
            self._put(self._seq, -self._generation, struct.pack(">I", len(body)) + body, more=True)

    def reply(self, message):
        """Sends to the present client only; forgotten where there is none."""
        frame = encode_fitting(message)
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

    def _put(self, seq, generation, frame, more=False):
        self._ring.append((seq, generation, frame))
        self._bytes += len(frame)
        self._lag += len(frame)
        while self._bytes > RING_BYTES and len(self._ring) > 1:
            self._drop()
        if self._client is None or not self._flowing or more:
            return
        # With part of a frame left over, the socket is full, and the sender thread waits for it.
        if self._part is None and not self._push():
            self._wake.notify_all()

    def _drop(self):
        self._bytes -= len(self._ring.popleft()[2])
        self._first += 1

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
                frames, size = [], 0
                while index < len(self._ring) and size < GATHER_BYTES:
                    seq, generation, frame = self._ring[index]
                    index += 1
                    self._sent = seq or self._sent
                    self._next += 1
                    self._lag -= len(frame)
                    if generation is None or generation == self._generation or -self._generation != generation < 0:
                        frames.append(frame)
                        size += len(frame)
                if not frames:
                    continue
                self._part = memoryview(frames[0] if len(frames) == 1 else b"".join(frames))
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
