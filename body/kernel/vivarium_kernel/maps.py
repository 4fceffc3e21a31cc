"""Arrays that lie in files (`np.memmap`, and views of one): kept as what they show, a place in a file."""

import mmap
import os

from . import places
from .errors import NotStorable


def save_if_mapped(pickler, array):
    """Keeps an array as a view of its file if it is one. Says whether it was."""
    import numpy

    base = array
    while isinstance(base, numpy.ndarray) and not isinstance(base.base, mmap.mmap):
        base = base.base.obj if isinstance(base.base, memoryview) else base.base
    base = base.base if isinstance(base, numpy.ndarray) else base
    if not isinstance(base, mmap.mmap) or not array.size:
        return False
    low, high = numpy.lib.array_utils.byte_bounds(array)
    found = _mapping(low, high)
    if found is None:
        return False  # memory without a file
    memmap = array
    while not isinstance(memmap, numpy.memmap):
        memmap = memmap.base
        if not isinstance(memmap, numpy.ndarray):
            raise NotStorable("it is in a mapped file that only np.memmap can restore: map it again")
    if memmap.mode == "c":
        raise NotStorable("changes in a copy-on-write map are not in a file: save a copy, np.array(...)")
    if memmap.mode != "r":
        base.flush()
    start, offset, path = found
    place = places.seen(path, os.stat(path)) | {
        "flags": os.O_RDONLY if memmap.mode == "r" else os.O_RDWR, "device": False}
    first = array.__array_interface__["data"][0]
    how = {"offset": offset + low - start, "length": high - low, "first": first - low, "strides": array.strides,
           "shape": array.shape, "dtype": array.dtype, "told": getattr(array, "offset", None)}
    pickler.save_reduce(mapped_again, (type(array), place, how), obj=array)
    return True


def _mapping(low, high):
    """Where the file begins in memory and where the mapping does in the file, and its path."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        for line in maps:
            span, access, offset, _, inode, *path = line.rstrip("\n").split(maxsplit=5)
            start, end = (int(one, 16) for one in span.split("-"))
            if start <= low < end:
                if inode == "0" or path[0].startswith("/dev/zero"):
                    return None
                if high > end:
                    raise NotStorable("it is in several mappings of a file: map it again")
                path = path[0].replace("\\012", "\n")
                if not os.path.exists(path):
                    raise NotStorable("its file was deleted: its contents are lost with this process")
                return start, int(offset, 16), path
    return None


def mapped_again(kind, place, how):
    import numpy

    writes = place["flags"] != os.O_RDONLY
    with open(places.reopen(place), "r+b" if writes else "rb") as file:
        file.raw.name = place["path"]
        raw = numpy.memmap(file, "u1", "r+" if writes else "r", how["offset"], (how["length"],))
    array = numpy.ndarray.__new__(numpy.memmap, how["shape"], how["dtype"], raw, how["first"], how["strides"])
    array._mmap, array.filename, array.mode = raw._mmap, raw.filename, raw.mode
    array.offset = how["told"] if how["told"] is not None else raw.offset
    return array if kind is numpy.memmap else array.view(kind)
