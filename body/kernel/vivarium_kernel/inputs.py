"""`input()` and `getpass()`: the cell waits until a client answers, or hears that there is none."""

import builtins
import queue
import threading

from IPython.core.error import StdinNotImplementedError

NOBODY = "input() was called, but no client is attached that could answer it."


class Inputs:
    """Takes the place of Python's own `input`."""

    def __init__(self, output):
        self._output = output
        self._one = threading.Lock()
        self._answers = queue.SimpleQueue()
        self._number = 0

    def install(self):
        """From here on `input` and `getpass.getpass` ask our client."""
        import getpass

        builtins.input = lambda prompt="", /: self._ask(str(prompt), password=False)
        getpass.getpass = lambda prompt="Password: ", stream=None, **_: self._ask(str(prompt), password=True)

    def answer(self, number, value):
        """In the reader thread: what the client said; None where no client can say anything."""
        self._answers.put((number, value))

    def _ask(self, prompt, password):
        with self._one:
            self._number += 1
            number = self._number
            self._output.tell("input_request", number=number, prompt=prompt, password=password)
            value = None
            try:
                while True:
                    answered, value = self._answers.get()
                    if answered == number:  # not a late answer to one that was interrupted
                        break
            finally:
                self._output.tell("input_over", number=number)
            if value is None:
                raise StdinNotImplementedError(NOBODY)
            return value
