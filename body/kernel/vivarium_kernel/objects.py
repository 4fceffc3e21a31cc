"""Content-addressed files: large pieces of snapshots, each written once however many snapshots hold it.

An object is named by the blake3 hash of its content, with `.zst` where it lies compressed: in frames of a
chunk each, which threads make and read at once. The hash of what is not compressed is computed beside the
writing or the reading. A file gets its name only when all of it is on the disk, so a crash
leaves nothing that looks whole and is not.

Content may change while it is written, by a thread of the user's. A fingerprint before and after tells; it
is then written from copies, chunk by chunk, so that what is hashed is what is written.
"""

import collections
import contextlib
import os
import queue
import threading
from concurrent.futures import ThreadPoolExecutor

import xxhash
import zstandard
from blake3 import blake3

from . import reading
from .reading import CHUNK, THREADS, Damaged

# Compressed where a sample becomes smaller than this share: below, the disk is the slower part.
WORTH_COMPRESSING = 0.7


def fingerprint(view):
    """Tells whether content is what it was, at the speed of the memory: XXH3 of 128 bits, of large content
    that of the parts' own, which threads make. What lies on the disk is checked by blake3."""
    view = memoryview(view)
    if len(view) <= 2 * CHUNK:
        return xxhash.xxh3_128_hexdigest(view)
    parts = [view[start:start + CHUNK] for start in range(0, len(view), CHUNK)]
    with ThreadPoolExecutor(THREADS) as pool:
        return xxhash.xxh3_128_hexdigest(b"".join(pool.map(xxhash.xxh3_128_digest, parts)))


def whole(view):
    """The hash of content that lies in memory, by all processors."""
    return blake3(view, max_threads=blake3.AUTO).hexdigest()


class Objects:
    """The objects of one folder."""

    def __init__(self, folder):
        self._folder = folder
        os.makedirs(folder, exist_ok=True)
        # Files that a store brought are taken away again if it fails; those of others stay.
        self.written = set()

    def has(self, name, size_bytes):
        """Whether there is one of this name and of this many bytes on the disk."""
        try:
            return os.stat(os.path.join(self._folder, name)).st_size == size_bytes
        except FileNotFoundError:
            return False

    def put(self, view, known):
        """Writes content of this fingerprint, flushed to the disk; returns the entry by which it is found
        again: its name, length, bytes on the disk, fingerprint (but where it changed meanwhile) and the
        sizes of the frames it lies in, where it is compressed."""
        return self._put(view, known) or self._put(view, None)

    def _put(self, view, known):
        """`put`, from copies where no fingerprint is given; none where it has another one afterwards."""
        aside = os.path.join(self._folder, f"new-{os.getpid()}")
        small = self._is_compressible(view)
        hashing = None if small and known else _Hashing()
        frames = []
        try:
            with open(aside, "wb", buffering=0) as file:
                chunks = _hashed(_chunks(view, copied=not known), hashing)
                for piece in _compressed(chunks) if small else chunks:
                    if small:
                        frames.append(len(piece))
                    left = memoryview(piece)
                    while left:
                        left = left[file.write(left):]
                with ThreadPoolExecutor(1) as pool:
                    # While the disk writes.
                    hashed = pool.submit(lambda: hashing.end() if hashing else whole(view))
                    seen = pool.submit(lambda: known and fingerprint(view))
                    os.fdatasync(file.fileno())
                    digest = hashed.result()
                size = os.fstat(file.fileno()).st_size
            if seen.result() != known:
                os.unlink(aside)
                return None
            name = f"{digest}.zst" if small else digest
            self._name(aside, name, size)
        except BaseException:
            if hashing is not None:
                hashing.end()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(aside)
            raise
        entry = {"object": name, "length": len(view), "size_bytes": size}
        return entry | ({"fingerprint": known} if known else {}) | ({"frames": frames} if frames else {})

    def _name(self, aside, name, size):
        """Gives a new file its name, unless the object is there already."""
        path = os.path.join(self._folder, name)
        if self.has(name, size):
            os.unlink(aside)
            return
        was_there = os.path.exists(path)
        os.rename(aside, path)
        if not was_there:
            self.written.add(name)

    def get(self, name, length, frames=()):
        """Reads an object into writable memory, and checks it. `frames` are as `put` told them; without
        them a compressed one is read too, by one processor."""
        path = os.path.join(self._folder, name)
        memory = reading.memory(length)
        view = memoryview(memory)
        try:
            if not name.endswith(".zst"):
                digest = blake3()
                for chunk in reading.plain(path, view):
                    digest.update(chunk)
                found = digest.hexdigest()
            elif frames:
                reading.frames(path, view, frames)
                found = whole(view)
            else:
                reading.stream(path, view)
                found = whole(view)
        except FileNotFoundError:
            was = "was found damaged before" if os.path.exists(f"{path}.damaged") else "is missing"
            raise Damaged(f"object {name} {was}") from None
        except zstandard.ZstdError as error:
            raise Damaged(f"object {name} can't be decompressed: {error}") from None
        except Damaged as error:
            raise Damaged(f"object {name} {error}") from None
        if found != name.removesuffix(".zst"):
            raise Damaged(f"the checksum of object {name} does not match")
        return memory

    def set_aside(self, name):
        """Takes a damaged one's name: the next store writes its content anew instead of relying on it."""
        path = os.path.join(self._folder, name)
        with contextlib.suppress(OSError):
            os.rename(path, f"{path}.damaged")

    def settle(self):
        """Makes the names of what was written last beyond a crash."""
        if self.written:
            sync_folder(self._folder)

    def take_back(self):
        """Removes what this store wrote."""
        for name in self.written:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self._folder, name))
        self.written.clear()

    def _is_compressible(self, view):
        if len(view) < 64 << 10:
            return False
        step = len(view) // 4
        parts = b"".join(view[start:start + (32 << 10)] for start in range(0, len(view), step))
        return len(zstandard.ZstdCompressor(level=1).compress(parts)) < WORTH_COMPRESSING * len(parts)


def _chunks(view, copied=False):
    for start in range(0, len(view), CHUNK):
        chunk = view[start:start + CHUNK]
        yield bytes(chunk) if copied else chunk


def _hashed(chunks, hashing):
    for chunk in chunks:
        if hashing is not None:
            hashing.put(chunk)
        yield chunk


def _compressed(chunks):
    """Frames of a chunk each, made by two threads and a few ahead of who writes them."""
    own = threading.local()

    def compress(chunk):
        if not hasattr(own, "compressor"):
            own.compressor = zstandard.ZstdCompressor(level=1)
        return own.compressor.compress(chunk)

    with ThreadPoolExecutor(THREADS) as pool:
        waiting = collections.deque()
        for chunk in chunks:
            waiting.append(pool.submit(compress, chunk))
            if len(waiting) > 2 * THREADS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


class _Hashing:
    """A thread that hashes what it is given while the one that gave it goes on."""

    def __init__(self):
        self._digest = blake3()
        # Chunks may be copies: only a few wait.
        self._chunks = queue.Queue(2 * THREADS)
        self._thread = threading.Thread(target=self._run, name="hashing", daemon=True)
        self._thread.start()

    def put(self, chunk):
        self._chunks.put(chunk)

    def end(self):
        """Waits for the rest; returns the hash."""
        self._chunks.put(None)
        self._thread.join()
        return self._digest.hexdigest()

    def _run(self):
        while (chunk := self._chunks.get()) is not None:
            self._digest.update(chunk)


def sync_folder(path):
    """Flushes a folder's own entries to the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
