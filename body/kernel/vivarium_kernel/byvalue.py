"""What a cell defines and pickle would only name: enums, type variables, new types and aliases, as values;
and what it would make by calling what may want other arguments: exceptions.

A name in `__main__` means nothing to the process that a snapshot is for.
"""

import contextlib
import enum
import importlib
import sys
import types
import typing
from pickle import PicklingError

import dill

# Of a type: made by a class statement, not by C (Py_TPFLAGS_HEAPTYPE).
_OF_PYTHON = 1 << 9


def save_enum(pickler, kind):
    """An enum is made again from its members' values, without their `__new__` and `__init__`, as these may
    want other arguments; what these and the class's body put into it is set afterwards. dill would begin
    with the members, which need the class."""
    if is_found(kind):
        dill.Pickler.dispatch[type](pickler, kind)
        return
    if id(kind) in pickler.begun:
        raise PicklingError(f"the values of {kind.__qualname__} refer to {kind.__qualname__} itself")
    pickler.begun.add(id(kind))
    values = {name: member._value_ for name, member in kind.__members__.items()}
    made = (type(kind), kind.__name__, kind.__bases__, values, getattr(kind, "_boundary_", None), kind.__module__,
            kind.__qualname__)
    bare = _make_enum(*made)
    if kind._member_type_ is not object and list(bare) != list(kind):
        raise PicklingError(f"the members of {kind.__qualname__} can't be recreated from their values")
    usual = vars(bare)
    state = {name: value for name, value in vars(kind).items() if _is_own(name, value, usual) and name not in values}
    of_members = {name: {key: value for key, value in vars(member).items() if key not in vars(bare[name])}
                  for name, member in kind.__members__.items()}
    pickler.save_reduce(_make_enum, made, (state, of_members), state_setter=_complete_enum, obj=kind)


def _is_own(name, value, usual):
    """Whether this part of an enum comes from its body, and not from the making."""
    if name in ("__dict__", "__weakref__") or value is usual.get(name):
        return False
    return name not in usual or name.startswith("__")


def _make_enum(meta, name, bases, values, boundary, module, qualname):
    body = meta.__prepare__(name, bases)
    for member, value in values.items():
        body[member] = value
    # Said in the body, or the class would be taken for one of this module.
    body["__module__"], body["__qualname__"] = module, qualname
    return meta.__new__(meta, name, bases, body, boundary=boundary)


def _complete_enum(kind, state):
    own, of_members = state
    for name, value in own.items():
        type.__setattr__(kind, name, value)
    for name, more in of_members.items():
        vars(kind[name]).update(more)


def _save_new_type(pickler, kind):
    if is_found(kind):
        pickler.save_global(kind)
    else:
        pickler.save_reduce(_make, (typing.NewType, (kind.__name__, kind.__supertype__), {}, kind.__module__), obj=kind)


def _save_variable(pickler, kind):
    if is_found(kind):
        pickler.save_global(kind)
        return
    # What it was made with: which of it there is depends on what it is, and on Python's version.
    how = {word: getattr(kind, f"__{word}__") for word in ("covariant", "contravariant", "infer_variance")
           if getattr(kind, f"__{word}__", False)}
    if getattr(kind, "__bound__", None) is not None:
        how["bound"] = kind.__bound__
    if hasattr(kind, "has_default") and kind.has_default():
        how["default"] = kind.__default__
    made = (type(kind), (kind.__name__, *getattr(kind, "__constraints__", ())), how, kind.__module__)
    pickler.save_reduce(_make, made, obj=kind)


def _save_alias(pickler, kind):
    if is_found(kind):
        pickler.save_global(kind)
        return
    how = {"type_params": kind.__type_params__}
    pickler.save_reduce(_make, (type(kind), (kind.__name__, kind.__value__), how, None), obj=kind)


def _make(kind, arguments, how, module):
    made = kind(*arguments, **how)
    if module is not None:
        made.__module__ = module
    return made


def save_exception(pickler, error):
    """pickle would call the class with `args`, which its `__init__` may know nothing of."""
    kind, arguments, *state = error.__reduce__()
    pickler.save_reduce(_make_exception, (kind, arguments), *state, obj=error)


def _makes_itself(kind):
    """Whether an exception's `__init__` is written in Python, and nothing is said about pickling it."""
    return (isinstance(kind.__reduce__, types.MethodDescriptorType) and kind.__reduce_ex__ is object.__reduce_ex__
            and isinstance(kind.__init__, types.FunctionType))


def _make_exception(kind, arguments):
    base = next(one for one in kind.__mro__ if not one.__flags__ & _OF_PYTHON)
    error = base.__new__(kind, *arguments)
    # Some keep more of them than `args`, where they are what these want.
    with contextlib.suppress(TypeError):
        base.__init__(error, *arguments)
    error.args = arguments
    return error


def save_module(pickler, module):
    """By its name. dill would bring back what was in it, over what its file says by then."""
    if sys.modules.get(module.__name__) is not module:
        raise PicklingError(f"the module {module.__name__} can't be imported")
    pickler.save_reduce(importlib.import_module, (module.__name__,), obj=module)


def qualified(kind):
    return f"{kind.__module__}.{kind.__qualname__}"


def is_found(kind):
    """Whether another process finds it by its name."""
    if kind.__module__ == "__main__":
        return False
    found = sys.modules.get(kind.__module__)
    for part in getattr(kind, "__qualname__", kind.__name__).split("."):
        found = getattr(found, part, None)
    return found is kind


class Dispatch(type(dill.Pickler.dispatch)):
    """dill's, and ours: by exact type, else by what kind of type it is. `kinds` has savers for classes and their
    subclasses."""

    def __init__(self, others, kinds):
        super().__init__(others)
        self.update(DISPATCH)
        self._kinds = kinds
        self._of_kinds = tuple(kinds)

    def __missing__(self, kind):
        if issubclass(kind, type):
            return self[type]
        if issubclass(kind, BaseException) and _makes_itself(kind):
            return save_exception
        if issubclass(kind, self._of_kinds):
            return next(saver for one, saver in self._kinds.items() if issubclass(kind, one))
        raise KeyError(kind)


DISPATCH = {
    types.ModuleType: save_module,
    enum.EnumMeta: save_enum,
    typing.NewType: _save_new_type,
    typing.TypeVar: _save_variable,
    typing.ParamSpec: _save_variable,
    typing.TypeVarTuple: _save_variable,
}
if hasattr(typing, "TypeAliasType"):
    DISPATCH[typing.TypeAliasType] = _save_alias
