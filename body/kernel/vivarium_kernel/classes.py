"""Classes of cells that dill can't make in one go, or would make without part of them.

dill makes a class from all that is in it, so what is in it can't need the class: one that keeps its own
instances, two that refer to each other, a base that lists its subclasses. Such a class is made bare and
completed afterwards. So is one with a metaclass of a cell, which is not to do its work again; and a named
tuple, of which dill keeps the fields alone.
"""

import abc
import collections
import pickle
import types
import typing

import dill

from .byvalue import is_found, qualified

# Metaclasses that make a bare class without asking what belongs into it.
_PLAIN_META = {type, abc.ABCMeta, type(typing.Protocol), object}
_FIELD = type(collections.namedtuple("_", "field").field)
# What of a class must be there when it is made.
_EARLY = ("__module__", "__slots__", "__orig_bases__")


class Circular(pickle.PicklingError):
    """A class was met again before it was made; `kinds` are those to make bare."""

    def __init__(self, kinds):
        super().__init__(f"{qualified(kinds[0])} is needed to restore its contents")
        self.kinds = kinds


def save_class(pickler, kind):
    """Instead of dill's, for every class. `pickler.making` holds those under way, outermost first,
    and `pickler.bare` those to make bare, by their id."""
    if is_found(kind):
        dill.Pickler.dispatch[type](pickler, kind)
        return
    bare = id(kind) in pickler.bare or not is_found(type(kind)) and can_be_bare(kind)
    # By identity: what a class equals, its metaclass may say. A bare one may be met once more, by its bases.
    under_way = [at for at, one in enumerate(pickler.making) if one is kind]
    if len(under_way) > bare:
        raise Circular(pickler.making[under_way[0]:])
    pickler.making.append(kind)
    try:
        if kind.__bases__ == (tuple,) and hasattr(kind, "_field_defaults"):
            _save_named_tuple(pickler, kind)
        elif bare:
            _save_bare(pickler, kind)
        else:
            dill.Pickler.dispatch[type](pickler, kind)
    finally:
        pickler.making.pop()


def can_be_bare(kind):
    """Whether it can be made bare and be the same in the end."""
    return all(meta in _PLAIN_META or not is_found(meta) for meta in type(kind).__mro__)


def _save_bare(pickler, kind):
    # They may refer to it, and bring it with them.
    for one in (type(kind), *kind.__bases__):
        pickler.save(one)
        pickler.write(pickle.POP)
    if id(kind) in pickler.memo:
        pickler.write(pickler.get(pickler.memo[id(kind)][0]))
        return
    inside = vars(kind)
    early = {name: inside[name] for name in _EARLY if name in inside} | {"__qualname__": kind.__qualname__}
    later = {name: value for name, value in inside.items() if name not in early and not _is_made(kind, name, value)}
    registered = []
    if isinstance(kind, abc.ABCMeta):
        registered = [one for one in (known() for known in abc._get_dump(kind)[0]) if one is not None]
        del later["_abc_impl"]
    made = (type(kind), kind.__name__, kind.__bases__, early)
    pickler.save_reduce(make_bare, made, (later, registered), state_setter=complete, obj=kind)


def _is_made(kind, name, value):
    """Whether making the class makes this part of it."""
    slot = isinstance(value, (types.MemberDescriptorType, types.GetSetDescriptorType))
    return name in ("__dict__", "__weakref__") or slot and value.__objclass__ is kind


def make_bare(meta, name, bases, early):
    """A class without what is in it. A metaclass of a cell made it once and is not asked again."""
    maker = abc.ABCMeta if issubclass(meta, abc.ABCMeta) else type
    return maker.__new__(meta, name, bases, early)


def complete(kind, state):
    """Puts into a bare class what was in it."""
    later, registered = state
    for name, value in later.items():
        type.__setattr__(kind, name, value)
    for one in registered:
        abc.ABCMeta.register(kind, one)


def _save_named_tuple(pickler, kind):
    made = (kind.__name__, kind._fields, kind._field_defaults, kind.__module__)
    usual = vars(make_named_tuple(*made))
    later = {name: value for name, value in vars(kind).items() if not _is_usual(value, usual.get(name))}
    later["__qualname__"] = kind.__qualname__
    pickler.save_reduce(make_named_tuple, made, (later, []), state_setter=complete, obj=kind)


def make_named_tuple(name, fields, defaults, module):
    return collections.namedtuple(name, fields, defaults=defaults.values(), module=module)


def _is_usual(value, usual):
    """Whether this part of a named tuple comes from its fields."""
    value, usual = (getattr(one, "__func__", one) for one in (value, usual))
    if isinstance(value, types.FunctionType) and isinstance(usual, types.FunctionType):
        return all(getattr(value.__code__, part) == getattr(usual.__code__, part)
                   for part in ("co_code", "co_consts", "co_names"))
    if isinstance(value, _FIELD):
        return isinstance(usual, _FIELD) and value.__doc__ == usual.__doc__
    return type(value) is type(usual) and value == usual
