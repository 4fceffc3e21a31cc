"""What a cell defines and pickle would only name: enums, type variables, new types and aliases, as values.

A name in `__main__` means nothing to the process that a snapshot is for.
"""

import enum
import sys
import typing
from pickle import PicklingError

import dill


def save_enum(pickler, kind):
    """An enum is made again from its members' values, without their `__new__` and `__init__`, as these may
    want other arguments; what these and the class's body put into it is set afterwards. dill would begin
    with the members, which need the class."""
    if _is_found(kind):
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
        raise PicklingError(f"the members of {kind.__qualname__} can't be made again from their values")
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
    if _is_found(kind):
        pickler.save_global(kind)
    else:
        pickler.save_reduce(_make, (typing.NewType, (kind.__name__, kind.__supertype__), {}, kind.__module__), obj=kind)


def _save_variable(pickler, kind):
    if _is_found(kind):
        pickler.save_global(kind)
        return
    how = {"covariant": kind.__covariant__, "contravariant": kind.__contravariant__}
    if kind.__bound__ is not None:
        how["bound"] = kind.__bound__
    # Of `class Box[T]` (3.12), and with a default (3.13).
    if getattr(kind, "__infer_variance__", False):
        how["infer_variance"] = True
    if hasattr(kind, "has_default") and kind.has_default():
        how["default"] = kind.__default__
    made = (typing.TypeVar, (kind.__name__, *kind.__constraints__), how, kind.__module__)
    pickler.save_reduce(_make, made, obj=kind)


def _save_alias(pickler, kind):
    if _is_found(kind):
        pickler.save_global(kind)
        return
    how = {"type_params": kind.__type_params__}
    pickler.save_reduce(_make, (type(kind), (kind.__name__, kind.__value__), how, None), obj=kind)


def _make(kind, arguments, how, module):
    made = kind(*arguments, **how)
    if module is not None:
        made.__module__ = module
    return made


def _is_found(kind):
    """Whether another process finds it by its name."""
    if kind.__module__ == "__main__":
        return False
    found = sys.modules.get(kind.__module__)
    for part in getattr(kind, "__qualname__", kind.__name__).split("."):
        found = getattr(found, part, None)
    return found is kind


DISPATCH = {enum.EnumMeta: save_enum, typing.NewType: _save_new_type, typing.TypeVar: _save_variable}
if hasattr(typing, "TypeAliasType"):
    DISPATCH[typing.TypeAliasType] = _save_alias
