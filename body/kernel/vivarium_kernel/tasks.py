"""asyncio in cells: one event loop, in the main thread, which runs while a cell awaits and between cells.

A plain cell runs outside of it, so that `asyncio.run()` works there. What it starts with
`asyncio.create_task()` begins as soon as the cell has ended.
"""

import sys
import threading

from IPython.core.async_helpers import get_asyncio_loop

from .quick import may_await

_main = threading.main_thread()


class Tasks:
    """The loop, from the first cell on that could want it."""

    def __init__(self):
        self._loop = None
        self._is_between = False
        self._is_patched = False

    @property
    def exist(self):
        """Whether there is a loop that has to run between cells."""
        return self._loop is not None and not self._loop.is_closed()

    def prepare(self, cell):
        """Before a cell: what it and its libraries ask of asyncio finds the loop."""
        if not self._is_patched and (may_await(cell) or "asyncio" in sys.modules):
            self._patch()
        if self._is_patched and (self.exist or may_await(cell)):
            import asyncio

            # asyncio.run() leaves none behind.
            asyncio.set_event_loop(self._present())

    def run(self, has_message):
        """Between cells: runs the loop until there is a message for the main thread."""
        self._is_between = True
        try:
            # Set before it is asked, as whoever brings one does it the other way round.
            if not has_message():
                self._loop.run_forever()
        except RuntimeError:
            self._loop = None  # somebody made another kind of loop of it: tasks rest until the next cell
        except (KeyboardInterrupt, SystemExit):
            pass  # a task's own
        finally:
            self._is_between = False

    def wake(self):
        """From any thread: there is a message."""
        loop = self._loop
        if self._is_between and loop is not None:
            try:
                loop.call_soon_threadsafe(self._stop)
            except RuntimeError:
                pass  # closed meanwhile: it has stopped

    def _stop(self):
        # It may have stopped already, and run for a cell that awaits.
        if self._is_between:
            self._loop.stop()

    def _present(self):
        if not self.exist:
            self._loop = get_asyncio_loop()
        return self._loop

    def _patch(self):
        import asyncio

        self._is_patched = True
        original = asyncio.create_task

        def create_task(coro, **how):
            """Starts a coroutine, as asyncio's own; of a plain cell, once that has ended."""
            if threading.current_thread() is _main and asyncio._get_running_loop() is None:
                return self._present().create_task(coro, **how)
            return original(coro, **how)

        asyncio.create_task = asyncio.tasks.create_task = create_task
