"""`runtime.resource(...)`: a connection that is made when it is needed, and made again when it is lost."""

import os
import random
import threading
import time


class Resource:
    """A handle of a connection: to a database, a browser, a session, a process.

    >>> db = runtime.resource(sqlite3.connect, "/data/app.db")
    >>> db.get().execute("select 1")

    The factory is called on the first `get()`, and again when the connection is stale: after
    `invalidate()`, when a `validate` function returns a false value, and after a snapshot (cryo, CRIU)
    was restored: a snapshot saves how to connect, but never the connection. A handle can be saved if
    its functions and arguments can.
    """

    def __init__(self, factory, args=(), kwargs=None):
        if not callable(factory):
            raise TypeError("a resource requires a function that connects, and its arguments")
        self._factory, self._args, self._kwargs = factory, tuple(args), dict(kwargs or {})
        self._connected, self._valid, self._ends = [], [], []
        self._attempts, self._base, self._longest, self._backoff, self._jitter = 1, 0.2, 5.0, 2.0, 0.2
        self._begin()

    def _begin(self):
        self._lock = threading.RLock()
        self._value, self._live, self._pid = None, False, None

    def get(self):
        """Returns the current connection if it is valid, else a new one."""
        with self._lock:
            if self._live and self._is_good():
                return self._value
            self._drop()
            value = self._connect()
            # Live before the functions run: one that fails leaves something to be torn down.
            self._value, self._live, self._pid = value, True, os.getpid()
            try:
                for function in self._connected:
                    function(value)
            except BaseException:
                self._drop()
                raise
            return value

    def invalidate(self):
        """Closes the connection; the next `get()` opens a new one."""
        with self._lock:
            self._drop()
        return self

    def on_connect(self, function):
        """Adds a function that is called with each new connection, before `get()` returns it."""
        self._connected.append(_function(function))
        return self

    def validate(self, function):
        """Adds a function that returns whether a connection is still valid; an exception means that it isn't."""
        self._valid.append(_function(function))
        return self

    def teardown(self, function):
        """Adds a function that is called with a connection before it is discarded."""
        self._ends.append(_function(function))
        return self

    def retry(self, max_attempts=10, base_delay_s=0.2, max_delay_s=5.0, backoff=2.0, jitter=0.2, *, backoff_base=None):
        """Sets the number of attempts to connect: waits `base_delay_s`, then `backoff` times as long each time.

        No wait is longer than `max_delay_s`; each varies randomly by up to the fraction `jitter`.
        Without this, connecting is tried once. `backoff_base` is an alias of `backoff`.
        """
        factor = backoff if backoff_base is None else backoff_base
        if max_attempts < 1 or base_delay_s < 0 or max_delay_s < 0 or factor < 1 or not 0 <= jitter <= 1:
            raise ValueError("retry requires max_attempts >= 1, delays >= 0, backoff >= 1 and 0 <= jitter <= 1")
        self._attempts, self._base, self._longest = int(max_attempts), base_delay_s, max_delay_s
        self._backoff, self._jitter = factor, jitter
        return self

    def _connect(self):
        delay = self._base
        for left in range(self._attempts - 1, -1, -1):
            try:
                return self._factory(*self._args, **self._kwargs)
            except Exception:
                if not left:
                    raise
            time.sleep(min(delay, self._longest) * random.uniform(1 - self._jitter, 1 + self._jitter))
            delay *= self._backoff

    def _is_good(self):
        # A forked child shares its parent's socket: it needs one of its own.
        if self._pid != os.getpid():
            self._live = False
            return False
        try:
            return all(function(self._value) for function in self._valid)
        except Exception:
            return False

    def _drop(self):
        if not self._live:
            return
        value, self._value, self._live = self._value, None, False
        for function in reversed(self._ends):
            try:
                function(value)
            except Exception:
                pass  # it was given up because it is broken

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name not in ("_lock", "_value", "_live", "_pid")}

    def __setstate__(self, state):
        vars(self).update(state)
        self._begin()

    def __repr__(self):
        name = getattr(self._factory, "__qualname__", repr(self._factory))
        return f"<resource {name}, {'connected' if self._live else 'not connected'}>"


class Process:
    """Factory of a command that runs in the shell's folder and environment."""

    def __init__(self, shell, command):
        self._shell, self._command = shell, command
        self.__qualname__ = repr(command)

    def __call__(self):
        return self._shell.start(self._command)


class SameContext:
    """Says whether the shell's folder and environment are still those of the connection."""

    def __init__(self, shell):
        self._shell, self._seen = shell, None

    def remember(self, _value):
        self._seen = self._now()

    def __call__(self, _value):
        return self._seen == self._now()

    def _now(self):
        context = self._shell.context()
        return context["cwd"], context["env"]


def _function(function):
    if not callable(function):
        raise TypeError(f"{function!r} can't be called")
    return function
