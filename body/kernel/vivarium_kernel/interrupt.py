"""KeyboardInterrupt where it is wanted, and nowhere else.

SIGINT reaches the main thread while a cell runs. It must not strike inside our own short
critical sections (a half-sent frame would break the connection), nor between cells.
"""

import _thread
import contextlib
import os
import signal
import threading
import time

_main = threading.main_thread()
# Python runs a handler between two instructions or when a system call is interrupted. A signal that
# comes just before a call that waits interrupts nothing: this one, which means nothing, does it then.
_NUDGE = signal.SIGRTMIN
_NUDGES_S = (0.02, 0.1, 0.4)
# C's system() ignores SIGINT until its command has ended; a terminal would interrupt the command too. That
# is done here as long as the cell, which hears nothing, starts more of them.
_UNHEARD_S = 0.5
_TICKS_S = 1 / os.sysconf("SC_CLK_TCK")


class Interrupts:
    """Turns SIGINT into KeyboardInterrupt while a cell runs, outside `hold` sections."""

    def __init__(self):
        self._armed = False
        self._depth = 0
        self._pending = False
        self._early = False
        self._is_between = False
        # The newest interrupt, and the newest one of which the main thread has heard.
        self._sent = self._heard = 0
        self._began_s = 0.0
        signal.signal(signal.SIGINT, self._on_sigint)
        signal.signal(_NUDGE, lambda *_: None)

    def _on_sigint(self, _signum, _frame):
        self._heard = self._sent
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
        # What runs between cells is not what is meant by an early one.
        if self._armed and not (early and self._is_between):
            self._early = False
            self._sent += 1
            signal.pthread_kill(_main.ident, signal.SIGINT)
            threading.Thread(target=self._nudge, args=(self._sent,), name="nudge", daemon=True).start()

    def _nudge(self, number):
        for pause in _NUDGES_S:
            time.sleep(pause)
            if not self._armed:
                return
            signal.pthread_kill(_main.ident, _NUDGE)
        told = set()
        while True:
            time.sleep(_UNHEARD_S)
            # A handler of the cell's own says nothing here of what it heard.
            if (not self._armed or self._sent != number or self._heard == number
                    or signal.getsignal(signal.SIGINT) != self._on_sigint):
                return
            # Without a signal, which would be ignored: heard as soon as Python goes on.
            _thread.interrupt_main()
            for pid in _commands(self._began_s) - told:
                told.add(pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGINT)

    def run(self, begun, function, is_between=False):
        """Calls `function` with interrupts on; returns its value, or None where one escaped it.

        `begun` is called as soon as an interrupt is no longer early; an early one is meant for a cell, and not
        for what runs between two.
        """
        try:
            try:
                self._is_between = is_between
                self._pending = False
                # An interrupt of the run before is no business of this one.
                self._heard = self._sent
                self._began_s = time.clock_gettime(time.CLOCK_BOOTTIME)
                self._armed = True
                begun()
                if self._early and not is_between:
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


def _commands(since_s):
    """Processes below this one and of its group that began since then: not what earlier cells left running."""
    found, parents, own, group = set(), {}, os.getpid(), os.getpgrp()
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                # The command's name, which may hold anything, ends at the last bracket.
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue  # ended meanwhile
        pid, parents[int(name)] = int(name), int(fields[1])
        if int(fields[2]) == group and (int(fields[19]) + 1) * _TICKS_S >= since_s:
            found.add(pid)
    return {pid for pid in found if own in _ancestors(pid, parents)}


def _ancestors(pid, parents):
    while pid in parents:
        pid = parents[pid]
        yield pid
