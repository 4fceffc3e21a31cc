"""Loggers: pickle keeps the name alone, which leaves another process without levels and handlers.

A logger belongs to its process, where a reload finds it by its name: it gets its level back, and its handlers
unless it has some by then.
"""

import logging
import os
import sys

from .errors import FileChanged

# Handlers of the loggers above it, which were not asked for, are kept if they can be.
_SIMPLE = (logging.StreamHandler, logging.NullHandler)


def save_logger(pickler, logger):
    # What only holds a logger isn't to be lost for its handlers, nor for those of the loggers above.
    own = [each for each in logger.handlers if pickler.is_named(logger) or _is_simple(each)]
    if pickler.is_named(logger):
        pickler.named |= {id(each) for each in own}
    above = []
    one = logger.parent
    while one is not None:
        above.append((one.name, _state(one, [each for each in one.handlers if _is_simple(each)])))
        one = one.parent
    state = (_state(logger, own) | {"filters": logger.filters}, above)
    pickler.save_reduce(logging.getLogger, (logger.name,), state, state_setter=complete, obj=logger)


def _is_simple(handler):
    if type(handler) in _SIMPLE:
        return getattr(handler, "stream", None) in (None, sys.stdout, sys.stderr)
    return isinstance(handler, logging.FileHandler) and type(handler).__module__ in ("logging", "logging.handlers")


def _state(logger, handlers):
    return {"level": logger.level, "propagate": logger.propagate, "disabled": logger.disabled,
            "filters": [], "handlers": handlers}


def complete(logger, state):
    own, above = state
    for name, one in (*reversed(above), (logger.name, own)):
        _set(logging.getLogger(name), one)


def _set(logger, state):
    logger.setLevel(state["level"])
    logger.propagate, logger.disabled = state["propagate"], state["disabled"]
    for one in state["filters"]:
        logger.addFilter(one)
    if not logger.handlers:
        for one in state["handlers"]:
            logger.addHandler(one)


def save_file_handler(pickler, handler):
    """It opens its file again when it has something to write, and then appends: it may have truncated it once."""
    state = {name: value for name, value in vars(handler).items() if name not in ("lock", "stream")}
    opened = handler.stream is not None
    if opened:
        state["mode"] = "a"
    state = (state, opened, pickler.is_named(handler))
    pickler.save_reduce(file_handler_again, (type(handler),), state, state_setter=complete_file_handler,
                        obj=handler)


def file_handler_again(kind):
    return kind.__new__(kind)


def complete_file_handler(handler, state):
    state, opened, named = state
    vars(handler).update(state)
    if opened and named and not os.path.isfile(handler.baseFilename):
        raise FileChanged(f"{handler.baseFilename} was deleted: create the handler again")
    handler.stream = None
    handler.createLock()
    logging._addHandlerRef(handler)
