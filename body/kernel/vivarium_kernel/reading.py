"""Files into memory, as fast as the disk, the memory and two threads can.

A large file that is not in the page cache goes past it, straight into the place it is read for: a second
copy in memory, made of pages that have to be found first, takes as long as the disk and longer (1 GB with its
hash: 0.5 s directly, 1 to 2.8 s through the cache, with two threads each). What is in the page cache is
copied from there (0.35 s).
"""

import collections
import contextlib
import itertools
import mmap
import os
from concurrent.futures import ThreadPoolExecutor

import zstandard

CHUNK = 8 << 20
THREADS = 2
PAGE = mmap.PAGESIZE


class Damaged(Exception):
    """What lies on the disk is not what was written."""


def memory(length):
    """Writable memory of its own, in large pages: touching small ones takes longer than filling them."""
    if not length:
        return bytearray()
    made = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        made.madvise(mmap.MADV_HUGEPAGE)
    except OSError:
        pass  # a kernel without them
    return made


def plain(path, view):
    """Fills `view`, which starts at a page, with a file of just that length; gives chunk after chunk as they
    are there, while the next ones are read."""
    with contextlib.ExitStack() as opened:
        cached = _open(path, 0, opened)
        _expect(cached, len(view))
        # Only what is asked for: the question whether a page is in the cache must not bring in others.
        os.posix_fadvise(cached, 0, 0, os.POSIX_FADV_RANDOM)
        try:
            direct = _open(path, os.O_DIRECT, opened)
        except OSError:
            direct = None  # a file system that has no such way
        if direct is None:
            os.posix_fadvise(cached, 0, 0, os.POSIX_FADV_SEQUENTIAL)

        def read(start):
            chunk = view[start:start + CHUNK]
            whole = len(chunk) == CHUNK
            file = direct if direct is not None and whole and not _is_cached(cached, start, chunk) else cached
            done = 0
            while done < len(chunk):
                try:
                    count = os.preadv(file, [chunk[done:]], start + done)
                except OSError:
                    if file == cached:
                        raise
                    file = cached  # a disk of larger blocks
                    continue
                if not count:
                    raise Damaged("ends too early")
                done += count
                # Direct reading goes on at a block only.
                file = cached if done % PAGE else file
            return chunk

        with ThreadPoolExecutor(THREADS) as pool:
            yield from pool.map(read, range(0, len(view), CHUNK))


def frames(path, view, sizes):
    """Fills `view` with the frames of these sizes, of a chunk each: every one straight into its place."""
    if len(sizes) != -(-len(view) // CHUNK):
        raise Damaged("has another length")

    with contextlib.ExitStack() as opened:
        file = _open(path, 0, opened)
        _expect(file, sum(sizes))

        def decompress(number, start):
            place = view[number * CHUNK:(number + 1) * CHUNK]
            with zstandard.ZstdDecompressor().stream_reader(os.pread(file, sizes[number], start)) as reader:
                if reader.readinto(place) != len(place) or reader.read(1):
                    raise Damaged("has a frame of another length")

        with ThreadPoolExecutor(THREADS) as pool:
            # The results are asked for, as they may be failures.
            collections.deque(pool.map(decompress, range(len(sizes)), itertools.accumulate(sizes, initial=0)),
                              maxlen=0)


def stream(path, view):
    """Fills `view` with what is compressed and of which no frames are known."""
    with open(path, "rb", buffering=0) as file:
        reader, done = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True), 0
        while done < len(view):
            count = reader.readinto(view[done:done + CHUNK])
            if not count:
                raise Damaged("ends too early")
            done += count
        if reader.read(1):
            raise Damaged("is longer than it was")


def _open(path, flags, opened):
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags)
    opened.callback(os.close, file)
    return file


def _expect(file, length):
    found = os.fstat(file).st_size
    if found != length:
        raise Damaged(f"is {'shorter' if found < length else 'longer'} than it was: {found} bytes, not {length}")


def _is_cached(file, start, chunk):
    """Whether a chunk's first page is in the page cache, told by a read that does not wait."""
    try:
        return os.preadv(file, [chunk[:PAGE]], start, os.RWF_NOWAIT) == PAGE
    except OSError:
        return False
