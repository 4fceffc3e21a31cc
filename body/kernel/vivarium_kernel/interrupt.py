"""KeyboardInterrupt where it is wanted, and nowhere else.

SIGINT reaches the main thread while a cell runs. It must not strike inside our own short
critical sections (a half-sent frame would break the connection), nor between cells.
"""

import signal
import threading
import time

_main = threading.main_thread()
# Python runs a handler between two instructions or when a system call is interrupted. A signal that
# comes just before a call that waits interrupts nothing: this one, which means nothing, does it then.
_NUDGE = signal.SIGRTMIN
_NUDGES_S = (0.02, 0.1, 0.4)


class Interrupts:
    """Turns SIGINT into KeyboardInterrupt while a cell runs, outside `hold` sections."""

    def __init__(self):
        self._armed = False
        self._depth = 0
        self._pending = False
        self._early = False
        signal.signal(signal.SIGINT, self._on_sigint)
        signal.signal(_NUDGE, lambda *_: None)

    def _on_sigint(self, _signum, _frame):
        if not self._armed:
            return
        if self._depth:
            self._pending = True
        else:
            raise KeyboardInterrupt

    def send(self, early=False):
        """Interrupts the cell that runs. From any thread.

        Where none runs, nothing happens; but `early` is for one that has come and not begun.
        """
        # Set before `_armed` is read, as `run` does it the other way round: one of them sees the other.
        self._early = early
        if self._armed:
            self._early = False
            signal.pthread_kill(_main.ident, signal.SIGINT)
            threading.Thread(target=self._nudge, name="nudge", daemon=True).start()

    def _nudge(self):
        for pause in _NUDGES_S:
            time.sleep(pause)
            if not self._armed:
                return
            signal.pthread_kill(_main.ident, _NUDGE)

    def run(self, begun, function):
        """Calls `function` with interrupts on; returns its value, or None where one escaped it.

        `begun` is called as soon as an interrupt is no longer early.
        """
        try:
            try:
                self._pending = False
                self._armed = True
                begun()
                if self._early:
                    self._early = False
                    raise KeyboardInterrupt
                # A cell before this one may have put its own handler in place.
                if signal.getsignal(signal.SIGINT) != self._on_sigint:
                    signal.signal(signal.SIGINT, self._on_sigint)
                return function()
            finally:
                self._armed = False
        except KeyboardInterrupt:
            self._armed = False
            return None

    def __enter__(self):
        """Holds interrupts back; one that came meanwhile is raised on leaving."""
        if threading.current_thread() is _main:
            self._depth += 1

    def __exit__(self, *_):
        if threading.current_thread() is _main:
            self._depth -= 1
            if self._pending and not self._depth:
                self._pending = False
                if self._armed:
                    raise KeyboardInterrupt
