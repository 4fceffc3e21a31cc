"""Content-addressed files: large pieces of snapshots, each written once however many snapshots hold it.

An object is named by the blake3 hash of its content, with `.zst` where it lies compressed. The hash is
computed while the content is written or read, by a second thread. A file gets its name only when all
of it is on the disk, so a crash leaves nothing that looks whole and is not.
"""

import mmap
import os
import queue
import threading

import zstandard
from blake3 import blake3

CHUNK = 8 << 20
# Compressed where a sample becomes smaller than this share: below, the disk is the slower part.
WORTH_COMPRESSING = 0.7
_PIECES, _PIECE = 64, 4 << 10


class Damaged(Exception):
    """What lies on the disk is not what was written."""


def sample(view):
    """A cheap fingerprint: equal for equal content. Unequal content may share it, so it only hints."""
    digest = blake3(len(view).to_bytes(8, "big"))
    step = max(_PIECE, len(view) // _PIECES)
    for start in range(0, len(view), step):
        digest.update(view[start:start + _PIECE])
    digest.update(view[-_PIECE:])
    return digest.hexdigest(16)


def whole(view):
    """The hash of content that lies in memory, by all processors."""
    return blake3(view, max_threads=blake3.AUTO).hexdigest()


class Objects:
    """The objects of one folder."""

    def __init__(self, folder):
        self._folder = folder
        os.makedirs(folder, exist_ok=True)
        # Files of a store that fails are taken away again.
        self.written = []

    def has(self, name):
        """Whether there is one of this name."""
        return os.path.exists(os.path.join(self._folder, name))

    def put(self, view):
        """Writes content, flushed to the disk; returns the object's name and its bytes on the disk."""
        aside = os.path.join(self._folder, f"new-{os.getpid()}")
        hashing = _Hashing()
        try:
            with open(aside, "wb", buffering=0) as file:
                small = self._is_compressible(view)
                sink = zstandard.ZstdCompressor(level=1, threads=-1).stream_writer(file, closefd=False) if small else file
                for start in range(0, len(view), CHUNK):
                    chunk = view[start:start + CHUNK]
                    hashing.put(chunk)
                    left = chunk
                    while left:
                        left = left[sink.write(left):]
                if small:
                    sink.close()
                os.fdatasync(file.fileno())
                size = os.fstat(file.fileno()).st_size
            name = hashing.end() + (".zst" if small else "")
            os.rename(aside, os.path.join(self._folder, name))
        except BaseException:
            hashing.end()
            try:
                os.unlink(aside)
            except FileNotFoundError:
                pass
            raise
        self.written.append(name)
        return name, size

    def get(self, name, length):
        """Reads an object into writable memory, and checks it."""
        path = os.path.join(self._folder, name)
        memory = _memory(length)
        view = memoryview(memory)
        hashing = _Hashing()
        try:
            with open(path, "rb", buffering=0) as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
                source = zstandard.ZstdDecompressor().stream_reader(file) if name.endswith(".zst") else file
                at = 0
                while at < length:
                    count = source.readinto(view[at:at + CHUNK])
                    if not count:
                        raise Damaged(f"object {name} ends too early")
                    hashing.put(view[at:at + count])
                    at += count
                if source.read(1):
                    raise Damaged(f"object {name} is longer than it was")
        except FileNotFoundError:
            raise Damaged(f"object {name} is missing") from None
        except zstandard.ZstdError as error:
            raise Damaged(f"object {name} can't be decompressed: {error}") from None
        finally:
            found = hashing.end()
        if found != name.removesuffix(".zst"):
            raise Damaged(f"object {name} has another checksum")
        return memory

    def settle(self):
        """Makes the names of what was written last beyond a crash."""
        if self.written:
            sync_folder(self._folder)

    def take_back(self):
        """Removes what this store wrote."""
        for name in self.written:
            os.unlink(os.path.join(self._folder, name))
        self.written.clear()

    def _is_compressible(self, view):
        if len(view) < 64 << 10:
            return False
        step = len(view) // 4
        parts = b"".join(view[start:start + (32 << 10)] for start in range(0, len(view), step))
        return len(zstandard.ZstdCompressor(level=1).compress(parts)) < WORTH_COMPRESSING * len(parts)


def _memory(length):
    """Writable memory of its own, in large pages: touching small ones takes longer than filling them."""
    if not length:
        return bytearray()
    memory = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        memory.madvise(mmap.MADV_HUGEPAGE)
    except OSError:
        pass  # a kernel without them
    return memory


class _Hashing:
    """A thread that hashes what it is given while the one that gave it goes on."""

    def __init__(self):
        self._digest = blake3()
        self._chunks = queue.SimpleQueue()
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
