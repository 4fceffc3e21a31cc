"""The file behind a descriptor: what a snapshot says about it, and how it is opened again.

Nothing is created, truncated or written then. A file that isn't as it was is opened only if a handle on it can
do no harm: one that appends, or one that reads what has grown since.
"""

import fcntl
import os
import stat

from .errors import FileChanged, NotStorable

# Of how a file was opened, what holds for its handle from then on.
_LASTING = os.O_ACCMODE | os.O_APPEND | os.O_SYNC | os.O_DSYNC
_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
          stat.S_IFDIR: "a folder"}
# Null, zero, full, random and urandom: Linux's numbers for what has no place and no contents.
_DEVICES = {os.makedev(1, minor) for minor in (3, 5, 7, 8, 9)}


def of(fd):
    """What is to be known of an open descriptor's file, as plain data."""
    status = os.fstat(fd)
    device = status.st_rdev in _DEVICES and stat.S_ISCHR(status.st_mode)
    if not device and not stat.S_ISREG(status.st_mode):
        raise NotStorable(f"it is {_KINDS.get(stat.S_IFMT(status.st_mode), 'no file')} of this process: open it again")
    path = os.readlink(f"/proc/self/fd/{fd}")
    return seen(path, status) | {"flags": fcntl.fcntl(fd, fcntl.F_GETFL) & _LASTING, "device": device}


def seen(path, status):
    """What tells a file at this path from another one, or from what it is later."""
    try:
        is_there = os.path.samestat(os.stat(path), status)
    except OSError:
        is_there = False
    if not is_there:
        raise NotStorable("its file was deleted or has no name: its contents are lost with this process")
    return {"path": path, "size": status.st_size, "mtime_ns": status.st_mtime_ns, "inode": status.st_ino}


def reopen(place, position=0):
    """A descriptor of the same file, at its beginning, if a handle at this position is still right."""
    flags, path = place["flags"], place["path"]
    _check(place, position, os.stat(path))
    # It may be another one by now, on which opening would wait.
    fd = os.open(path, flags | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        _check(place, position, os.fstat(fd))
        os.set_blocking(fd, True)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _check(place, position, status):
    path, flags = place["path"], place["flags"]
    if place["device"]:
        if status.st_rdev not in _DEVICES or not stat.S_ISCHR(status.st_mode):
            raise FileChanged(f"{path} is no longer a device")
        return
    if not stat.S_ISREG(status.st_mode):
        raise FileChanged(f"{path} is no longer a regular file")
    if flags & os.O_APPEND and flags & os.O_ACCMODE == os.O_WRONLY:
        return
    # Earlier versions told less of it.
    same = status.st_size == place["size"] and place["mtime_ns"] in (None, status.st_mtime_ns)
    grown = status.st_ino == place["inode"] and status.st_size > place["size"]
    harmless = flags & os.O_ACCMODE == os.O_RDONLY or flags & os.O_APPEND
    if not same and not (grown and harmless and position <= status.st_size):
        raise FileChanged(f"{path} changed after the snapshot was saved: open it again")
