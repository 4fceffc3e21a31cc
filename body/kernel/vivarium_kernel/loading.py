"""Values out of a pickle, so that one that fails costs no other: values that share something lie in one.

What can't be made again leaves a mark in its place, and the rest is read on. Afterwards a value counts as
failed if it holds anything that is marked: the instance whose `__setstate__` fails, and not its class.
"""

import gc
import io
import logging
import pickle
import sys
import threading
import types

import dill

from . import byvalue, classes, files, logs
from .errors import NotStorable, reason_of

# What changes its first argument and returns nothing that is kept.
_SETTERS = (setattr, delattr, dill._dill._setitems, classes.complete, byvalue._complete_enum,
            logs.complete, logs.complete_file_handler)
# Snapshots of earlier versions may hold these: dill's would truncate the file that it opens, or lock what nobody
# unlocks; the others would write what a file held then over what it holds now, or remove it.
_REPLACED = {
    ("dill._dill", "_create_filehandle"): files.of_dill,
    ("dill._dill", "_create_lock"): lambda *_: threading.Lock(),
    ("dill._dill", "_create_rlock"): lambda *_: threading.RLock(),
    ("dbm.dumb", "_Database"): NotStorable("an open database can't be saved: open it again"),
    ("tempfile", "_TemporaryFileCloser"): NotStorable("a temporary file can't be saved"),
    ("tempfile", "_TemporaryFileWrapper"): NotStorable("a temporary file can't be saved"),
}
_BY_NAME = (type, types.FunctionType, types.BuiltinFunctionType)
# Their contents are the process's, not a value's.
_BORDERS = (types.ModuleType, types.FrameType, logging.Manager, logging.Logger)


def load(stream, buffers, shell):
    """The values of a pickle by their name, and the reasons of those that failed by theirs."""
    try:
        unpickler = _Unpickler(io.BytesIO(stream), buffers=buffers)
        unpickler._main = shell.user_module
        return unpickler.load(), {}
    except KeyboardInterrupt:
        raise
    except BaseException:  # a value's own code may raise anything
        pass
    unpickler = _Patient(io.BytesIO(stream), buffers, shell.user_module)
    values = unpickler.load()
    reasons = _reasons(values, unpickler, shell)
    return {name: value for name, value in values.items() if name not in reasons}, reasons


class _Unpickler(dill.Unpickler):
    """dill's, which C does."""

    def find_class(self, module, name):
        replaced = _REPLACED.get((module, name))
        if isinstance(replaced, Exception):
            raise replaced
        return replaced or super().find_class(module, name)


class _Missing:
    """Stands for what could not be made."""


class _Patient(pickle._Unpickler):
    """Python's, which reads on after what failed: many times slower."""

    def __init__(self, file, buffers, main):
        super().__init__(file, buffers=buffers)
        self._finder = _Unpickler(io.BytesIO())
        self._finder._main = main
        # What is marked, with its reason, by its id.
        self.broken = {}
        # Ids of those that became part of another one that is marked.
        self.used = set()

    def find_class(self, module, name):
        try:
            return self._finder.find_class(module, name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # importing a module runs its code
            return self.mark(_Missing(), error)

    def mark(self, thing, error, made_of=()):
        """Marks it. If it was made of something that is marked, that one's reason is the true one."""
        inner = self._marked_in(made_of)
        if inner is not None:
            self.used.add(id(inner))
        reason = reason_of(error) if inner is None else self.broken[id(inner)][1]
        self.broken.setdefault(id(thing), (thing, reason))
        return thing

    def _marked_in(self, thing, depth=6):
        if id(thing) in self.broken:
            return thing
        parts = thing.values() if type(thing) is dict else thing if type(thing) in (tuple, list) else ()
        if depth and self.broken:
            for part in parts:
                if (found := self._marked_in(part, depth - 1)) is not None:
                    return found
        return None

    def call(self, function, arguments, more):
        setter = any(function is one for one in _SETTERS)
        if function is logs.complete and self.broken:
            # A logger is the process's: nothing that is half made gets into it, nor into those above it.
            own, above = arguments[1]
            for _, one in above:
                one["handlers"] = [each for each in one["handlers"] if id(each) not in self.broken]
            if self._marked_in(own) is not None:
                self.mark(arguments[0], None, [own])
                return None
        if self.broken:
            for one in arguments[:1] if setter else (function, *arguments, *more.values()):
                if id(one) in self.broken:
                    return None if setter else self.mark(_Missing(), None, [one])
        try:
            return function(*arguments, **more)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a value's own code may raise anything
            made_of = [*arguments, *more.values()]
            if setter:
                self.mark(arguments[0], error, made_of)
                return None
            return self.mark(_Missing(), error, made_of)

    def load_reduce(self):
        arguments = self.stack.pop()
        self.stack[-1] = self.call(self.stack[-1], arguments, {})

    def load_newobj(self):
        arguments = self.stack.pop()
        kind = self.stack[-1]
        self.stack[-1] = self.call(kind.__new__, (kind, *arguments), {})

    def load_newobj_ex(self):
        more, arguments = self.stack.pop(), self.stack.pop()
        kind = self.stack[-1]
        self.stack[-1] = self.call(kind.__new__, (kind, *arguments), more)

    dispatch = pickle._Unpickler.dispatch | {
        pickle.REDUCE[0]: load_reduce, pickle.NEWOBJ[0]: load_newobj, pickle.NEWOBJ_EX[0]: load_newobj_ex}


def _filling(plain):
    """Of what is on the stack and gets its contents."""
    def fill(self):
        contents = self.stack[-1:]
        try:
            plain(self)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # as above
            self.mark(self.stack[-1], error, contents)
    return fill


def _making(plain):
    """Of a container with what is in it."""
    def make(self):
        contents = self.stack[:]
        try:
            plain(self)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # what is in it may fail to tell its hash
            self.append(self.mark(_Missing(), error, contents))
    return make


for _codes, _how in ((b"".join((pickle.BUILD, pickle.APPEND, pickle.APPENDS, pickle.SETITEM, pickle.SETITEMS,
                                pickle.ADDITEMS)), _filling), (pickle.FROZENSET + pickle.DICT, _making)):
    for _code in _codes:
        _Patient.dispatch[_code] = _how(_Patient.dispatch[_code])


def _reasons(values, unpickler, shell):
    """Why values failed, by name. If it isn't clear which hold what is marked, all of them did."""
    of_process = {id(vars(module)) for module in list(sys.modules.values()) if hasattr(module, "__dict__")}
    of_process |= {id(shell.user_ns), id(shell.user_module), id(unpickler), id(values)}
    reasons, reached, clean = {}, set(unpickler.used), {}
    for name, value in values.items():
        found, seen, left = [], {}, [value]
        while left:
            one = left.pop()
            key = id(one)
            if key in seen or key in clean or key in of_process:
                continue
            # Held, so that no other gets its id.
            seen[key] = one
            if key in unpickler.broken:
                found.append(key)
            else:
                left += _contents(one)
        if found:
            reasons[name] = unpickler.broken[found[0]][1]
            reached.update(found)
        else:
            clean |= seen
    lost = [reason for key, (_, reason) in unpickler.broken.items() if key not in reached]
    return {name: reasons.get(name, lost[0]) for name in values} if lost else reasons


def _contents(thing):
    # A value's own `__class__` may say anything, or raise.
    kind = type(thing)
    if issubclass(kind, _BORDERS) or issubclass(kind, _BY_NAME) and thing.__module__ != "__main__":
        return ()
    numpy = sys.modules.get("numpy")
    if numpy is not None and issubclass(kind, numpy.ndarray) and thing.dtype.hasobject:
        return (*gc.get_referents(thing), *thing.ravel().tolist())
    return gc.get_referents(thing)
