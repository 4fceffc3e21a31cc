"""Open files. dill opens them again as they were opened once, which truncates what was opened for writing, also
of handles that were closed long ago.

Here a handle is kept as its parts (text, buffer, descriptor), each as it was, and closed ones as closed. A
snapshot holds no contents: whether the file is still the one that the handle stood in is checked (see `places`).
"""

import gc
import io
import os
import sys
import tempfile

from . import places
from .errors import FileChanged, NotStorable

_BUFFERED = {"BufferedReader": io.BufferedReader, "BufferedWriter": io.BufferedWriter,
             "BufferedRandom": io.BufferedRandom}
_STANDARD = ("stdin", "stdout", "stderr")
_HANDLES = (io.TextIOWrapper, io.FileIO, *_BUFFERED.values())


def _is_standard(pickler, file):
    """Whether it is one of the process's own streams, and then keeps it as such."""
    for name in _STANDARD:
        if file is getattr(sys, f"__{name}__"):
            pickler.save_reduce(standard, (name,), obj=file)
            return True
    return False


def save_stream(pickler, stream):
    """One of the worker's own streams for what cells print."""
    pickler.save_reduce(standard, (stream.name.strip("<>"),), obj=stream)


def standard(name):
    return getattr(sys, f"__{name}__")


def save_text(pickler, text):
    if _is_standard(pickler, text):
        return
    how = {"encoding": text.encoding, "errors": text.errors, "line_buffering": text.line_buffering,
           "write_through": text.write_through}
    if text.closed:
        _save_closed(pickler, text, how)
        return
    raw = _raw_of(text.buffer)
    if isinstance(raw, io.FileIO):
        # What is no file would fail at its position, with a reason that says less.
        places.of(raw.fileno())
    elif not text.seekable() or text.writable() and not isinstance(raw, io.BytesIO):
        raise NotStorable(f"it is open on a {type(raw).__name__}, which can't be saved: open it again")
    try:
        position = text.tell()
    except OSError as error:
        raise NotStorable(f"its position is unknown while a loop reads its lines ({error})") from None
    how["newline"] = _newline(text)
    pickler.save_reduce(text_again, (text.buffer, how, _kept(raw, position), vars(text)), obj=text)


def _raw_of(file):
    while not isinstance(file, io.FileIO) and isinstance(getattr(file, "raw", None), io.RawIOBase):
        file = file.raw
    return file


def _kept(raw, position):
    """A position; none of one that appends and stands at the end, which is to stand at the end again."""
    if isinstance(raw, io.FileIO) and "a" in raw.mode:
        if not raw.readable() or position == os.fstat(raw.fileno()).st_size:
            return None
    return position


def _newline(text):
    """How it reads the ends of lines: it doesn't say, but its decoder shows it. How one that only writes
    writes them can't be found out."""
    decoders = [one for one in gc.get_referents(text) if hasattr(one, "decode") and hasattr(one, "setstate")]
    for decoder in decoders:
        if isinstance(decoder, io.IncrementalNewlineDecoder):
            state = decoder.getstate()
            try:
                decoder.reset()
                return None if decoder.decode("\r\n".encode(text.encoding), True) == "\n" else ""
            finally:
                decoder.setstate(state)
    # One that translates nothing has another kind of decoder.
    return "\n" if decoders else None


def text_again(buffer, how, position, more):
    text = io.TextIOWrapper(buffer, **how)
    vars(text).update(more)
    if position is not None:
        text.seek(position)
    return text


def save_buffered(pickler, file):
    if _is_standard(pickler, file):
        return
    if file.closed:
        _save_closed(pickler, file, {})
        return
    if not isinstance(file.raw, io.FileIO):
        raise NotStorable(f"it is open on a {type(file.raw).__name__}, which can't be saved: open it again")
    places.of(file.raw.fileno())
    if file.writable():
        file.flush()
    position = _kept(file.raw, 0 if not file.seekable() else file.tell())
    pickler.save_reduce(buffered_again, (type(file).__name__, file.raw, position, vars(file)), obj=file)


def buffered_again(kind, raw, position, more):
    file = _BUFFERED[kind](raw)
    vars(file).update(more)
    if position is not None and file.seekable():
        file.seek(position)
    return file


def save_raw(pickler, raw):
    if raw.closed:
        _save_closed(pickler, raw, {})
        return
    place = places.of(raw.fileno())
    position = None if place["device"] else _kept(raw, raw.tell())
    pickler.save_reduce(raw_again, (place, raw.mode, position, _named(raw, place["path"])), obj=raw)


def _named(file, path):
    """A number as name is a descriptor's, which means another file to another process."""
    more = dict(vars(file))
    if isinstance(more.get("name"), int):
        more["name"] = path
    return more


def raw_again(place, mode, position, more):
    if place["flags"] & os.O_ACCMODE != os.O_RDONLY:
        _flush_others()
    fd = places.reopen(place, position or 0)
    try:
        raw = io.FileIO(fd, mode)
        if position is not None:
            raw.seek(position)
    except BaseException:
        os.close(fd)
        raise
    vars(raw).update(more)
    return raw


def _flush_others():
    """What this process's handles have not written yet would be written when a reload replaces them: after the
    look at the file, and over what the new handle writes."""
    for one in gc.get_objects():
        if type(one) in _HANDLES and not one.closed and one.writable():
            try:
                one.flush()
            except (OSError, ValueError):
                pass  # a full disk, a broken pipe: its owner is told when it writes


def _save_closed(pickler, file, how):
    raw = file
    while not isinstance(raw, io.FileIO) and raw is not None:
        raw = getattr(raw, "buffer", None) or getattr(raw, "raw", None)
    mode, name = (raw.mode, getattr(raw, "name", None)) if raw is not None else ("rb+", None)
    pickler.save_reduce(closed_again, (type(file).__name__, name, mode, how, vars(file)), obj=file)


def closed_again(kind, name, mode, how, more):
    """A closed handle; the file that it was on isn't looked at."""
    file = io.FileIO(os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC), mode)
    file.name = name
    if kind in _BUFFERED:
        file = _BUFFERED[kind](file)
    elif kind == "TextIOWrapper":
        file = io.TextIOWrapper(io.BufferedReader(file) if file.readable() else io.BufferedWriter(file), **how)
    vars(file).update(more)
    file.close()
    return file


def of_dill(name, mode, position, closed, *_):
    """A handle of a snapshot of an earlier version, which says less about it: instead of dill's own, which
    would truncate the file."""
    for standing in _STANDARD:
        if name == f"<{standing}>":
            return standard(standing)
    raw_mode = mode.replace("b", "").replace("t", "") + "b"
    if closed:
        kind = "TextIOWrapper" if "b" not in mode else _kind(mode)
        return closed_again(kind, name, raw_mode, {}, {} if "b" in mode else {"mode": mode})
    if not isinstance(name, (str, bytes)):
        raise FileChanged(f"it used the file descriptor {name} of another process: open it again")
    access = os.O_RDWR if "+" in mode else os.O_RDONLY if "r" in mode else os.O_WRONLY
    size = os.stat(name).st_size
    place = {"path": name, "flags": access | (os.O_APPEND if "a" in mode else 0), "device": False,
             # What a handle for writing had written was all that there was.
             "size": max(size, position) if access == os.O_RDONLY or "r" in mode else position,
             "mtime_ns": None, "inode": None}
    raw = raw_again(place, raw_mode, None if "a" in mode else min(position, size), {"name": name})
    file = buffered_again(_kind(mode), raw, None, {})
    return file if "b" in mode else text_again(file, {}, None if "a" in mode else position, {"mode": mode})


def _kind(mode):
    return "BufferedRandom" if "+" in mode else "BufferedReader" if "r" in mode else "BufferedWriter"


def save_compressed(pickler, file):
    """Of gzip, bz2 and lzma. What one that writes was given is not all in its file."""
    if file.closed or not file.readable():
        raise NotStorable("a compressed file is only complete when it is closed: open it again"
                          if not file.closed else "it is closed")
    own = next((one for one in (getattr(file, name, None) for name in ("fileobj", "_fp")) if one is not None), None)
    raw = getattr(own, "raw", None)
    if not isinstance(raw, io.FileIO):
        raise NotStorable(f"it reads from a {type(own).__name__} whose start is unknown: open it again")
    pickler.save_reduce(compressed_again, (type(file), places.of(raw.fileno()), raw.name, file.tell()), obj=file)


def compressed_again(kind, place, name, position):
    fd = places.reopen(place)
    below = open(fd, "rb")
    below.raw.name = name
    file = kind(fileobj=below, mode="rb") if kind.__module__ == "gzip" else kind(below)
    # It closes what it opened, as it did before.
    for name in ("myfileobj", "_closefp"):
        if hasattr(file, name):
            setattr(file, name, below if name == "myfileobj" else True)
    file.seek(position)
    return file


def save_temporary(pickler, wrapper):
    """Of `NamedTemporaryFile`, if the file is not to go with it."""
    if not wrapper.file.closed and wrapper._closer.delete:
        raise NotStorable("a temporary file is deleted with its handle: copy it, or create it with delete=False")
    pickler.save_reduce(temporary_again, (wrapper.file, wrapper.name), obj=wrapper)


def temporary_again(file, name):
    return tempfile._TemporaryFileWrapper(file, name, False)
