"""What lives in a process and in no snapshot: connections, processes, threads and the like. pickle knows of some
that it can't keep them, and makes of others something that looks whole and is not.

Each is named as skipped, with what to do. Locks come back free: who held one isn't there any more.
"""

import _thread
import datetime
import functools
import io
import sys
import threading

from . import files, logs
from .errors import NotStorable

_AGAIN = "open it again, or use runtime.resource(...)"


def _always(_):
    return True


# (module, class): whether such a one can't be kept, and why. By class and its subclasses.
_REFUSED = {
    ("socket", "socket"): (_always, f"a socket is a connection of this process: {_AGAIN}"),
    ("socket", "SocketIO"): (_always, f"a socket is a connection of this process: {_AGAIN}"),
    ("mmap", "mmap"): (_always, "mapped memory belongs to this process: map it again"),
    ("select", "epoll"): (_always, "it watches file descriptors of this process: create it again"),
    ("subprocess", "Popen"): (
        lambda one: one.returncode is None,
        "a running process belongs to this kernel: use runtime.shell.resource(...) to start it again"),
    ("multiprocessing.process", "BaseProcess"): (
        lambda one: one._popen is not None, "a started process belongs to this kernel: start it again"),
    # It holds a descriptor's number, and closes what has that number at its end.
    ("multiprocessing.connection", "_ConnectionBase"): (_always, f"a pipe is a connection of this process: {_AGAIN}"),
    ("threading", "Thread"): (_always, "a thread belongs to this process: create it again"),
    ("concurrent.futures._base", "Executor"): (_always, "an executor's threads belong to this process: create it again"),
    ("concurrent.futures._base", "Future"): (lambda one: not one.done(), "it waits for work that runs only in this process"),
    ("asyncio.events", "AbstractEventLoop"): (_always, "an event loop belongs to this process: create it again"),
    ("asyncio.events", "AbstractServer"): (_always, f"a server listens in this process: {_AGAIN}"),
    ("asyncio.events", "Handle"): (_always, "a callback of an event loop belongs to this process"),
    ("asyncio.transports", "BaseTransport"): (_always, f"a transport is a connection of this process: {_AGAIN}"),
    ("asyncio.streams", "StreamReader"): (_always, f"a stream is a connection of this process: {_AGAIN}"),
    ("asyncio.streams", "StreamWriter"): (_always, f"a stream is a connection of this process: {_AGAIN}"),
    ("asyncio.subprocess", "Process"): (_always, "a process belongs to this kernel: start it again"),
    ("_asyncio", "Future"): (_always, "a task or future belongs to an event loop of this process"),
    ("asyncio.futures", "_PyFuture"): (_always, "a task or future belongs to an event loop of this process"),
    ("sqlite3", "Connection"): (_always, f"a database connection belongs to this process: {_AGAIN}"),
    ("sqlite3", "Cursor"): (_always, f"a database connection belongs to this process: {_AGAIN}"),
    ("sqlite3", "Blob"): (_always, f"a database connection belongs to this process: {_AGAIN}"),
    # It would write what the file held when the snapshot was stored over what it holds by then.
    ("dbm.dumb", "_Database"): (lambda one: one._index is not None,
                                f"an open database belongs to this process: {_AGAIN}"),
    ("tempfile", "TemporaryDirectory"): (
        lambda one: one._finalizer.alive,
        "a temporary folder is deleted with this process: use tempfile.mkdtemp() for one that is kept"),
}
# (module, class): how such a one is kept, and not as pickle or dill would.
_KEPT = {
    ("tempfile", "_TemporaryFileWrapper"): files.save_temporary,
    ("gzip", "GzipFile"): files.save_compressed,
    ("bz2", "BZ2File"): files.save_compressed,
    ("lzma", "LZMAFile"): files.save_compressed,
    ("vivarium_kernel.output", "Stream"): files.save_stream,
    ("logging", "Logger"): logs.save_logger,
    ("logging", "FileHandler"): logs.save_file_handler,
}


def _refuse(fits, reason, pickler, one):
    if fits(one):
        raise NotStorable(reason)
    pickler.save_reduce(*one.__reduce_ex__(5), obj=one)


def _save_lock(pickler, lock):
    pickler.save_reduce(_thread.allocate_lock, (), obj=lock)


def _save_rlock(pickler, lock):
    pickler.save_reduce(threading.RLock, (), obj=lock)


def _save_capsule(_, capsule):
    raise NotStorable("it holds an address in this process's memory")


def _save_handle_of_python(_, file):
    raise NotStorable(f"a {type(file).__name__} of _pyio can't be saved: open it again with open()")


def exact():
    """Savers by exact type, which come before dill's."""
    savers = {
        io.TextIOWrapper: files.save_text, io.FileIO: files.save_raw,
        io.BufferedReader: files.save_buffered, io.BufferedWriter: files.save_buffered,
        io.BufferedRandom: files.save_buffered,
        type(threading.Lock()): _save_lock, type(threading.RLock()): _save_rlock,
        # dill would keep the address.
        type(datetime.datetime_CAPI): _save_capsule,
    }
    pyio = sys.modules.get("_pyio")
    if pyio is not None:
        savers |= {getattr(pyio, name): _save_handle_of_python
                   for name in ("TextIOWrapper", "BufferedReader", "BufferedWriter", "BufferedRandom", "FileIO")}
    return savers


def of_kinds():
    """Savers by class, for its subclasses too: as far as their modules are loaded."""
    found = {}
    for (module, name), saver in _KEPT.items():
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None:
            found[kind] = saver
    for (module, name), (fits, reason) in _REFUSED.items():
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None:
            found[kind] = functools.partial(_refuse, fits, reason)
    return found
