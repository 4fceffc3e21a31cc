"""Content-addressed files: large pieces of snapshots, each written once however many snapshots hold it.

An object is named by the blake3 hash of its content, with `.zst` where it lies compressed: in frames of a
chunk each, which threads make and read at once. The hash of what is not compressed is computed while it is
written or read, by a second thread. A file gets its name only when all of it is on the disk, so a crash
leaves nothing that looks whole and is not.

Content may change while it is written, by a thread of the user's. A fingerprint before and after tells; it
is then written from copies, chunk by chunk, so that what is hashed is what is written.
"""

import collections
import itertools
import mmap
import os
import queue
import threading
from concurrent.futures import ThreadPoolExecutor

import xxhash
import zstandard
from blake3 import blake3

CHUNK = 8 << 20
THREADS = 2
# Compressed where a sample becomes smaller than this share: below, the disk is the slower part.
WORTH_COMPRESSING = 0.7


class Damaged(Exception):
    """What lies on the disk is not what was written."""


def fingerprint(view):
    """Tells whether content is what it was, at the speed of the memory: XXH3 of 128 bits. What lies on the
    disk is checked by blake3."""
    return xxhash.xxh3_128_hexdigest(view)


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

    def put(self, view, known):
        """Writes content of this fingerprint, flushed to the disk; returns the entry by which it is found
        again: its name, length, bytes on the disk, fingerprint (but where it changed meanwhile) and the
        sizes of the frames it lies in, where it is compressed."""
        entry = self._put(view, known) or self._put(view, None)
        self.written.append(entry["object"])
        return entry

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
            os.rename(aside, os.path.join(self._folder, name))
        except BaseException:
            if hashing is not None:
                hashing.end()
            try:
                os.unlink(aside)
            except FileNotFoundError:
                pass
            raise
        entry = {"object": name, "length": len(view), "size_bytes": size}
        return entry | ({"fingerprint": known} if known else {}) | ({"frames": frames} if frames else {})

    def get(self, name, length, frames=()):
        """Reads an object into writable memory, and checks it. `frames` are as `put` told them; without
        them a compressed one is read too, by one processor."""
        path = os.path.join(self._folder, name)
        memory = _memory(length)
        view = memoryview(memory)
        try:
            with open(path, "rb", buffering=0) as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
                if frames:
                    _decompress(file, frames, view, name)
                    found = whole(view)
                else:
                    found = self._read(file, view, name)
        except FileNotFoundError:
            raise Damaged(f"object {name} is missing") from None
        except zstandard.ZstdError as error:
            raise Damaged(f"object {name} can't be decompressed: {error}") from None
        if found != name.removesuffix(".zst"):
            raise Damaged(f"object {name} has another checksum")
        return memory

    def _read(self, file, view, name):
        hashing = _Hashing()
        try:
            small = name.endswith(".zst")
            source = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) if small else file
            at, length = 0, len(view)
            while at < length:
                count = source.readinto(view[at:at + CHUNK])
                if not count:
                    raise Damaged(f"object {name} ends too early")
                hashing.put(view[at:at + count])
                at += count
            if source.read(1):
                raise Damaged(f"object {name} is longer than it was")
        finally:
            found = hashing.end()
        return found

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


def _decompress(file, frames, view, name):
    """Each frame straight into its place, by two threads."""
    if len(frames) != -(-len(view) // CHUNK) or sum(frames) != os.fstat(file.fileno()).st_size:
        raise Damaged(f"object {name} has another length")

    def decompress(number, at):
        frame = os.pread(file.fileno(), frames[number], at)
        place = view[number * CHUNK:(number + 1) * CHUNK]
        reader = zstandard.ZstdDecompressor().stream_reader(frame)
        if reader.readinto(place) != len(place) or reader.read(1):
            raise Damaged(f"object {name} has a frame of another length")

    starts = itertools.accumulate(frames, initial=0)
    with ThreadPoolExecutor(THREADS) as pool:
        # The results are asked for, as they may be failures.
        collections.deque(pool.map(decompress, range(len(frames)), starts), maxlen=0)


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
