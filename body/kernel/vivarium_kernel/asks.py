"""Questions about the namespace that are answered while a cell runs: by threads of their own.

A cell holds the main thread for as long as it likes; completions can't wait for that. What is
asked here only reads, and looks at a copy of the namespace's names. It runs code of the user's values,
which may raise anything and take any time: each kind of question has a thread, and waits only for its own.
"""

import contextlib
import inspect
import queue
import reprlib
import sys
import threading
import types

from . import comms
from .errors import message_of

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 120
LONGEST_REPR = 200
MOST_VARIABLES = 5000


class Asks:
    """The threads, and what they can answer."""

    def __init__(self, shell, outbox):
        self._shell, self._outbox = shell, outbox
        self._waiting = {}
        self._answers = {"complete": self._complete, "inspect": self._inspect, "variables": self._variables,
                         "comms": comms.listed}

    def knows(self, what):
        """Whether this is one of its questions."""
        return what in self._answers

    def put(self, message):
        """Queues a question; its answer goes to the client that is there then."""
        what = message["what"]
        if what not in self._waiting:
            self._waiting[what] = queue.SimpleQueue()
            threading.Thread(target=self._run, args=(self._waiting[what],), name=f"asks {what}", daemon=True).start()
        self._waiting[what].put(message)

    def _run(self, waiting):
        while True:
            message = waiting.get()
            answer = {"type": "answer", "ask": message.get("ask")}
            try:
                answer["value"] = self._answers[message["what"]](**(message.get("arguments") or {}))
            except BaseException as error:  # the thread answers for as long as the process lives
                answer["error"] = f"{type(error).__name__}: {message_of(error)}"
            self._outbox.reply(answer)

    def _complete(self, code, cursor_pos):
        cursor_pos = min(cursor_pos, len(code))
        found = self._completions(code, cursor_pos)
        # What IPython finds by itself and by jedi overlaps; the first of each text is kept.
        unique = {item.text: item for item in reversed(found)}
        matches = [unique[text] for text in dict.fromkeys(item.text for item in found)]
        return {
            "matches": [{"text": item.text, "type": _known(item.type), "signature": _known(item.signature)}
                        for item in matches],
            "cursor_start": found[0].start if found else cursor_pos,
            "cursor_end": found[0].end if found else cursor_pos,
        }

    def _completions(self, code, cursor_pos):
        from IPython.core.completer import provisionalcompleter, rectify_completions

        completer, found = self._shell.Completer, []
        with_jedi = completer.use_jedi
        # Where jedi has trouble with the code, or finds nothing, IPython may know from the values.
        for completer.use_jedi in dict.fromkeys((with_jedi, False)):
            with provisionalcompleter(), contextlib.suppress(Exception):
                found = list(rectify_completions(code, list(completer.completions(code, cursor_pos))))
            if found:
                break
        completer.use_jedi = with_jedi
        return found

    def _inspect(self, code, cursor_pos, detail_level=0):
        from IPython.utils.tokenutil import token_at_cursor

        name = token_at_cursor(code, min(cursor_pos, len(code)))
        try:
            data = self._shell.object_inspect_mime(name, detail_level=detail_level)
        except KeyError:
            return {"found": False, "name": name or None, "data": {}}
        return {"found": True, "name": name, "data": data}

    def _variables(self):
        values = self._shell.globals()
        listed = [{"name": name, "type": _type_name(values[name]), "size_bytes": _size(values[name]),
                   "repr": _short(values[name])} for name in sorted(values)[:MOST_VARIABLES]]
        return {"variables": listed, "count": len(values)}


def _known(word):
    """What IPython says of a completion; it has a word for what it doesn't know."""
    return word if word and word != "<unknown>" else None


def _type_name(value):
    kind = type(value)
    return kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"


def _size(value):
    """Bytes of the value itself; of an array or table also of its data. None where that is no size."""
    try:
        size = _told_size(value)
    except BaseException:
        return None
    return size if 0 <= size < 1 << 63 else None


def _told_size(value):
    if hasattr(value, "memory_usage"):
        usage = value.memory_usage()
        return int(usage.sum() if hasattr(usage, "sum") else usage)
    if isinstance(getattr(value, "nbytes", None), int):
        return int(value.nbytes)
    return sys.getsizeof(value)


def _short(value):
    """A line about the value that costs little, however large it is."""
    try:
        shape = getattr(value, "shape", None)
        if isinstance(shape, tuple) and len(shape) > 0:
            dtype = getattr(value, "dtype", None)
            return f"{type(value).__name__} {'×'.join(map(str, shape))}" + (f" {dtype}" if dtype is not None else "")
        if isinstance(value, types.FunctionType):
            return f"{value.__name__}{inspect.signature(value)}"
        if isinstance(value, (type, types.ModuleType)):
            return repr(value)[:LONGEST_REPR]
        text = " ".join(_SHORT.repr(value).split())
    except BaseException as error:
        return f"<repr failed: {type(error).__name__}>"
    return text if len(text) <= LONGEST_REPR else text[:LONGEST_REPR - 1] + "…"
