"""Snapshots of the namespace: stored with dill, value by value, so that one that can't be stored costs no other.

A snapshot is a manifest, `<name>.json`: its first line is the blake3 of the rest, the rest is JSON. It
says what is inside and in which objects it lies (see `objects`). Values that share something (two names
of one list, an object and its class) are pickled together, so that they still share it afterwards.
"""

import contextlib
import fcntl
import glob
import io
import json
import os
import pickle
import platform
import re
import reprlib
import sys
import time
import types
import warnings

import dill
from blake3 import blake3

from . import byvalue, classes, live, loading, maps, sources
from .errors import reason_of
from .objects import Damaged, Objects, fingerprint, sync_folder

# Smaller buffers lie in the snapshot's one pack, with the pickles.
LARGE = 1 << 20
SCHEMA = 1
_OF_IPYTHON = re.compile(r"__\w+__|_(_*|i+\d*|\d+|oh|dh|ih|exit_code)")
# What two values may have in common without being tied: it can't change (what a tuple holds counts by itself),
# or is dill's own.
_PLAIN = (str, bytes, int, float, complex, type(None), range, tuple, frozenset, types.CodeType, types.ModuleType,
          types.BuiltinFunctionType, dill._shims.Reduce, dill._dill.Sentinel)


def store(folder, name, shell, runtime):
    """Writes the snapshot `name`; returns what was saved and what was not."""
    began = time.perf_counter()
    values, skipped = _values(shell)
    groups, files = _groups(values, skipped, shell)
    with _locked(folder, fcntl.LOCK_EX):
        objects = Objects(os.path.join(folder, "objects"))
        try:
            manifest = _write(folder, objects, groups, values, sources.of(files))
            manifest |= {"schema": SCHEMA, "name": name, "created_at_s": _now(folder), "skipped": skipped,
                         "python": platform.python_version(), "shell": runtime.shell.context()}
            objects.settle()
            _write_manifest(os.path.join(folder, f"{name}.json"), manifest)
        except BaseException:
            objects.take_back()
            raise
    saved = sorted(entry["name"] for entry in manifest["values"])
    return {"name": name, "saved": saved, "skipped": skipped, "size_bytes": manifest["size_bytes"],
            "timing_ms": round((time.perf_counter() - began) * 1000)}


def reload(folder, name, shell, runtime):
    """Brings the values of the snapshot `name` back into the namespace, over what is there."""
    began = time.perf_counter()
    try:
        with _locked(folder, fcntl.LOCK_SH):
            manifest = _read_manifest(os.path.join(folder, f"{name}.json"))
            objects = Objects(os.path.join(folder, "objects"))
            # All is read and checked before the first value changes.
            large = {entry["object"]: _read(objects, entry) for entry in manifest["objects"]}
    except Damaged as error:
        return {"name": name, "damaged": str(error)}
    pack = memoryview(large[manifest["pack"]])

    def found(place):
        return large[place["object"]] if "object" in place else bytearray(_part(pack, place))

    if "sources" in manifest:
        sources.bring_back(bytes(found(manifest["sources"])))
    restored, failed = [], []
    for group in manifest["groups"]:
        try:
            values, reasons = loading.load(found(group["stream"]), [found(place) for place in group["buffers"]], shell)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a value's own code may raise anything
            failed += [{"name": one, "reason": reason_of(error)} for one in group["names"]]
            continue
        shell.user_ns.update(values)
        restored += values
        failed += [{"name": one, "reason": reason} for one, reason in reasons.items()]
    context = manifest["shell"]
    runtime.shell.restore(context["cwd"], context["env"])
    return {"name": name, "restored": sorted(restored), "failed": failed,
            "timing_ms": round((time.perf_counter() - began) * 1000)}


@contextlib.contextmanager
def _locked(folder, how):
    """Keeps others from removing what no snapshot holds yet, or what is read. The lock goes with this process."""
    os.makedirs(folder, exist_ok=True)
    file = os.open(os.path.join(folder, ".lock"), os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(file, how)
        try:
            yield
        finally:
            # Also where a process was forked meanwhile that has it too.
            fcntl.flock(file, fcntl.LOCK_UN)
    finally:
        os.close(file)


class Pickler(dill.Pickler):
    """dill's, but large arrays and bytes go beside the pickle instead of through it."""

    def __init__(self, file, main, buffers, bare, values):
        super().__init__(file, 5, recurse=False, buffer_callback=buffers.append)
        self._main = main
        # Ids of the namespace's own values, and of what is to be named if it fails as if it were one.
        self.named = {id(value) for value in values.values()}
        # Names of the files that code was compiled from: cells, too.
        self.files = set()
        # Enums of which the making has begun.
        self.begun = set()
        # Classes: see there.
        self.making, self.bare = [], bare
        numpy = sys.modules.get("numpy")
        kinds = live.of_kinds()
        if numpy is not None:
            kinds[numpy.ndarray] = Pickler._save_array_kind
        self.dispatch = byvalue.Dispatch(dill.Pickler.dispatch, kinds)
        self.dispatch |= live.exact()
        self.dispatch[type] = classes.save_class
        self.dispatch[bytes] = Pickler._save_bytes
        self.dispatch[types.CodeType] = Pickler._save_code
        if numpy is not None:
            # dill adds every subclass that it meets.
            for kind in [kind for kind in self.dispatch if issubclass(kind, numpy.ndarray)]:
                del self.dispatch[kind]
            self.dispatch[numpy.ndarray] = Pickler._save_array

    def is_named(self, value):
        """Whether it is one of the namespace's own values, and not only part of one."""
        return id(value) in self.named

    def save_global(self, obj, name=None):
        """By its name: only what another process finds by it."""
        name = name or getattr(obj, "__qualname__", None) or obj.__name__
        if pickle.whichmodule(obj, name) == "__main__":
            raise pickle.PicklingError(f"{name} is defined in a cell, but a {type(obj).__name__} can only be saved by name")
        super().save_global(obj, name)

    def _save_bytes(self, obj):
        if len(obj) < LARGE:
            dill.Pickler.dispatch[bytes](self, obj)
        else:
            self.save_reduce(bytes, (pickle.PickleBuffer(obj),), obj=obj)

    def _save_code(self, obj):
        self.files.add(obj.co_filename)
        dill.Pickler.dispatch[types.CodeType](self, obj)

    def _save_array(self, obj):
        if obj.base is None or not maps.save_if_mapped(self, obj):
            self.save_reduce(*obj.__reduce_ex__(5), obj=obj)

    def _save_array_kind(self, obj):
        """An array of a subclass, with its attributes, as dill keeps it."""
        if obj.base is None or not maps.save_if_mapped(self, obj):
            more = getattr(obj, "__dict__", None)
            self.save_reduce(dill._dill._create_array, (*obj.__reduce__(), more), obj=obj)

    def ties(self):
        """Ids of what this pickle holds that another may hold too."""
        numpy = sys.modules.get("numpy")
        plain = _PLAIN if numpy is None else (*_PLAIN, numpy.dtype)
        return {key for key, (_, value) in self.memo.items() if not isinstance(value, plain) and not _is_found_by_name(value)}


def _values(shell):
    """What there is to store, and what of it has no name that could be stored."""
    values, skipped = {}, []
    for name, value in list(shell.user_ns.items()):
        if not isinstance(name, str):
            skipped.append(_skipped(reprlib.repr(name), value, "its name is not a string"))
        elif not _OF_IPYTHON.fullmatch(name) and not shell.is_hidden(name, value):
            values[name] = value
    return values, skipped


def _skipped(name, value, reason):
    return {"name": name, "type": type(value).__name__, "reason": reason}


def _dump(values, shell, bare):
    """Pickles; `bare` holds classes that can't be made in one go, by their id, and grows."""
    while True:
        stream, buffers = io.BytesIO(), []
        pickler = Pickler(stream, shell.user_module, buffers, bare, values)
        try:
            with warnings.catch_warnings():
                # dill's, about what it then fails at or gets right; but what refers to itself it keeps by its
                # name in this process, which no other finds.
                warnings.simplefilter("ignore")
                warnings.filterwarnings("error", "Cannot pickle", dill.PicklingWarning)
                pickler.dump(values)
        except classes.Circular as error:
            more = {id(kind): kind for kind in error.kinds if classes.can_be_bare(kind)}
            if more.keys() <= bare.keys():
                raise
            bare.update(more)
            continue
        return stream.getbuffer(), [buffer.raw() for buffer in buffers], pickler


def _is_found_by_name(value):
    return isinstance(value, (type, types.FunctionType)) and value.__module__ != "__main__"


def _groups(values, skipped, shell):
    """Pickles: (names, stream, buffers) of values that hang together; and which files their code is from."""
    single, memos, owner, joined, bare, files = {}, [], {}, {}, {}, set()

    def root(name):
        while joined[name] != name:
            name = joined[name]
        return name

    for name, value in values.items():
        wrapped = {name: value}
        try:
            stream, buffers, pickler = _dump(wrapped, shell, bare)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a value's own code may raise anything
            skipped.append(_skipped(name, value, reason_of(error)))
            continue
        single[name], joined[name] = (stream, buffers), name
        files |= pickler.files
        # A memo keeps alive what it names by id.
        memos.append(pickler.memo)
        for key in pickler.ties() - {id(wrapped)}:
            joined[root(name)] = root(owner.setdefault(key, name))
    members = {}
    for name in single:
        members.setdefault(root(name), []).append(name)
    groups = []
    for names in members.values():
        if len(names) == 1:
            groups.append((names, *single[names[0]]))
            continue
        try:
            stream, buffers, _ = _dump({name: values[name] for name in names}, shell, bare)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            reason = f"together with the variables that it shares values with: {reason_of(error)}"
            skipped += [_skipped(name, values[name], reason) for name in names]
            continue
        groups.append((names, stream, buffers))
    return groups, files


def _write(folder, objects, groups, values, source):
    """Writes what the groups hold; returns the manifest's part about it."""
    known, listed, pack, written = _known(folder), {}, io.BytesIO(), []

    def place(view):
        if len(view) < LARGE:
            at = pack.tell()
            pack.write(view)
            return {"at": at, "length": len(view)}
        entry = _kept(objects, known, view)
        listed[entry["object"]] = entry
        return {"object": entry["object"], "length": len(view)}

    described = []
    for names, stream, buffers in groups:
        written.append({"names": names, "stream": place(stream), "buffers": [place(view) for view in buffers]})
        size = len(stream) + sum(map(len, buffers))
        for name in names:
            described.append({"name": name, "type": type(values[name]).__name__,
                              "size_bytes": size if len(names) == 1 else None})
    source = place(source)
    packed = pack.getbuffer()
    entry = _kept(objects, known, packed)
    listed[entry["object"]] = entry
    return {"groups": written, "objects": list(listed.values()), "pack": entry["object"], "values": described, "sources": source,
            "size_bytes": sum(entry["size_bytes"] for entry in listed.values())}


def _kept(objects, known, view):
    """The entry of the object that holds this content: one that is there already, or a new one."""
    found = fingerprint(view)
    for entry in known.get((len(view), found), ()):
        if objects.has(entry["object"], entry["size_bytes"]):
            return entry
    entry = objects.put(view, found)
    known.setdefault((entry["length"], entry.get("fingerprint")), []).append(entry)
    return entry


def _read(objects, entry):
    try:
        return objects.get(entry["object"], entry["length"], entry.get("frames", ()))
    except Damaged:
        objects.set_aside(entry["object"])
        raise


def _known(folder):
    """Objects of the snapshots there are, by length and fingerprint."""
    known = {}
    for path in glob.glob(os.path.join(glob.escape(folder), "*.json")):
        try:
            manifest = _read_manifest(path)
        except Damaged:
            continue
        for entry in manifest["objects"]:
            known.setdefault((entry["length"], entry.get("fingerprint")), []).append(entry)
    return known


def _now(folder):
    """The wall clock's time, or a little after the newest snapshot where the clock was set back."""
    newest = 0.0
    for path in glob.glob(os.path.join(glob.escape(folder), "*.json")):
        try:
            newest = max(newest, _read_manifest(path)["created_at_s"])
        except Damaged:
            continue
    return max(time.time(), newest + 0.001)


def _write_manifest(path, manifest):
    text = json.dumps(manifest, ensure_ascii=False).encode("utf-8", "replace")
    aside = f"{path}.new-{os.getpid()}"
    try:
        with open(aside, "wb") as file:
            file.write(blake3(text).hexdigest().encode() + b"\n" + text)
            file.flush()
            os.fsync(file.fileno())
        os.rename(aside, path)
    except BaseException:
        if os.path.exists(aside):
            os.unlink(aside)
        raise
    sync_folder(os.path.dirname(path))


def _read_manifest(path):
    try:
        with open(path, "rb") as file:
            checksum, _, text = file.read().partition(b"\n")
    except FileNotFoundError:
        raise Damaged("its manifest is missing") from None
    if blake3(text).hexdigest().encode() != checksum:
        raise Damaged("the checksum of its manifest does not match")
    manifest = json.loads(text)
    if manifest["schema"] != SCHEMA:
        raise Damaged(f"its schema is {manifest['schema']}, but only {SCHEMA} is supported")
    return manifest


def _part(pack, place):
    return pack[place["at"]:place["at"] + place["length"]]
