"""Questions about the namespace that are answered while a cell runs: by a thread of their own.

A cell holds the main thread for as long as it likes; completions can't wait for that. What is
asked here only reads, and looks at a copy of the namespace's names.
"""

import inspect
import queue
import reprlib
import sys
import threading
import types

from . import comms

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 120
LONGEST_REPR = 200
MOST_VARIABLES = 5000


class Asks:
    """The thread, and what it can answer."""

    def __init__(self, shell, outbox):
        self._shell, self._outbox = shell, outbox
        self._waiting = queue.SimpleQueue()
        self._thread = None
        self._answers = {"complete": self._complete, "inspect": self._inspect, "variables": self._variables,
                         "comms": comms.listed}

    def knows(self, what):
        """Whether this is one of its questions."""
        return what in self._answers

    def put(self, message):
        """Queues a question; its answer goes to the client that is there then."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="asks", daemon=True)
            self._thread.start()
        self._waiting.put(message)

    def _run(self):
        while True:
            message = self._waiting.get()
            answer = {"type": "answer", "ask": message.get("ask")}
            try:
                answer["value"] = self._answers[message["what"]](**(message.get("arguments") or {}))
            except Exception as error:
                answer["error"] = f"{type(error).__name__}: {error}"
            self._outbox.reply(answer)

    def _complete(self, code, cursor_pos):
        from IPython.core.completer import provisionalcompleter, rectify_completions

        cursor_pos = min(cursor_pos, len(code))
        with provisionalcompleter():
            found = rectify_completions(code, list(self._shell.Completer.completions(code, cursor_pos)))
            found = list(found)
        # What IPython finds by itself and by jedi overlaps; the first of each text is kept.
        unique = {item.text: item for item in reversed(found)}
        matches = [unique[text] for text in dict.fromkeys(item.text for item in found)]
        return {
            "matches": [{"text": item.text, "type": item.type or None, "signature": item.signature or None}
                        for item in matches],
            "cursor_start": found[0].start if found else cursor_pos,
            "cursor_end": found[0].end if found else cursor_pos,
        }

    def _inspect(self, code, cursor_pos, detail_level=0):
        from IPython.utils.tokenutil import token_at_cursor

        name = token_at_cursor(code, min(cursor_pos, len(code)))
        try:
            data = self._shell.object_inspect_mime(name, detail_level=detail_level)
        except KeyError:
            return {"found": False, "name": name or None, "data": {}}
        return {"found": True, "name": name, "data": data}

    def _variables(self):
        hidden = self._shell.user_ns_hidden
        names = [name for name, value in list(self._shell.user_ns.items())
                 if not name.startswith("_") and name not in hidden]
        listed = []
        for name in sorted(names)[:MOST_VARIABLES]:
            try:
                value = self._shell.user_ns[name]
            except KeyError:
                continue  # deleted by the cell that runs
            listed.append({"name": name, "type": _type_name(value), "size_bytes": _size(value), "repr": _short(value)})
        return {"variables": listed, "count": len(names)}


def _type_name(value):
    kind = type(value)
    return kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"


def _size(value):
    """Bytes of the value itself; of an array or table also of its data."""
    try:
        if hasattr(value, "memory_usage"):
            usage = value.memory_usage()
            return int(usage.sum() if hasattr(usage, "sum") else usage)
        if isinstance(getattr(value, "nbytes", None), int):
            return value.nbytes
        return sys.getsizeof(value)
    except Exception:
        return None


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
    except Exception as error:
        return f"<its repr fails: {type(error).__name__}>"
    return text if len(text) <= LONGEST_REPR else text[:LONGEST_REPR - 1] + "…"
