"""IPython's shell, with its displays, results and errors turned into nbformat output objects."""

import contextlib
import os
import sys
import time
import traceback
import warnings

from IPython.core.autocall import ExitAutocall
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.error import UsageError
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell
from traitlets import Any, Type, default
from traitlets.config import Config

from . import commands, comms, frames, jupyter, packages, quick, sources
from .errors import message_of
from .tasks import Tasks


class Publisher(DisplayPublisher):
    """`display()`."""

    def publish(self, data, metadata=None, source=None, *, transient=None, update=False, **_):
        kind = "update_display_data" if update else "display_data"
        output = {"output_type": kind, "data": _text(data), "metadata": metadata or {}}
        if transient:
            output["transient"] = transient
        self.shell.output.emit(output)

    def clear_output(self, wait=False):
        """Takes back what the cell put out; with `wait` only once it puts out something new."""
        self.shell.output.tell("clear_output", wait=bool(wait))


class Hook(DisplayHook):
    """The value of a cell's last expression."""

    def quiet(self):
        parsed = self.shell.history_manager.input_hist_parsed
        return bool(parsed) and ";" in parsed[-1] and super().quiet()

    def start_displayhook(self):
        pass

    def write_output_prompt(self):
        pass

    def write_format_data(self, format_dict, md_dict=None):
        data = _text(format_dict)
        self.shell.result = data.get("text/plain")
        self.shell.output.emit({
            "output_type": "execute_result", "execution_count": self.prompt_count,
            "data": data, "metadata": md_dict or {},
        }, more=self.shell.depth == 1 and quick.ends(sys._getframe(2)))

    def log_output(self, format_dict):
        """IPython would keep every picture for as long as it lives."""
        if "text/plain" in format_dict:
            self.shell.history_manager.output_hist_reprs[self.prompt_count] = format_dict["text/plain"]

    def finish_displayhook(self):
        pass


class Exit(ExitAutocall):
    """`exit`, `exit(1)`, `exit("why")`, `quit`."""

    def __call__(self, code=None, keep_kernel=False):
        raise SystemExit(code)


class ZMQInteractiveShell(InteractiveShell):
    """One cell at a time, in the main thread.

    Libraries tell a notebook from a terminal by this name: rich, pandas, fastcore.
    """

    displayhook_class = Type(Hook)
    display_pub_class = Type(Publisher)
    output = Any()
    result = Any()
    runtime = Any()
    # plotly asks whether there is such a trait.
    kernel = Any()
    # Of a cell that runs in another, what it raised is shown once.
    shown_error = None
    depth = 0

    def run_cell(self, *args, **kwargs):
        self.depth += 1
        try:
            result = super().run_cell(*args, **kwargs)
        finally:
            self.depth -= 1
        if self.depth and result is not None and isinstance(result.error_in_exec, KeyboardInterrupt):
            # It is meant for the cell that runs this one, as `%%capture` does.
            raise result.error_in_exec
        return result

    def _tee(self, channel):
        """IPython would put a function of its own before the stream's `write`, and keep all that is ever
        written, for `%notebook`: as long as the kernel lives, and at twice the time of a print."""
        return contextlib.nullcontext()

    def init_display_formatter(self):
        self.display_formatter = quick.Formatter(parent=self)
        self.configurables.append(self.display_formatter)

    def init_history(self):
        self.history_manager = quick.History(shell=self, parent=self)
        self.configurables.append(self.history_manager)

    def transform_cell(self, raw_cell):
        if not self.transforms.leave(raw_cell):
            return super().transform_cell(raw_cell)
        self._last_input_line = raw_cell
        return raw_cell if raw_cell.endswith("\n") else raw_cell + "\n"

    def should_run_async(self, raw_cell, *, transformed_cell=None, preprocessing_exc_tuple=None):
        return quick.may_await(transformed_cell or raw_cell) and super().should_run_async(
            raw_cell, transformed_cell=transformed_cell, preprocessing_exc_tuple=preprocessing_exc_tuple)

    def enable_gui(self, gui=None):
        """There is no event loop to join: `%gui` and GUI backends do nothing here."""

    @default("exiter")
    def _exiter_default(self):
        return Exit(self)

    def ask_exit(self):
        """Ends the cell, as sys.exit() does."""
        raise SystemExit

    def showtraceback(self, exc_tuple=None, *args, **kwargs):
        kind, error, trace = exc_tuple or sys.exc_info()
        if error is not None and error is self.shown_error:
            return
        self.shown_error = error
        if not (isinstance(kind, type) and issubclass(kind, SystemExit)):
            frames.hide_ours(error)
            trace = frames.without_ours(trace)
            before = self.last_error
            super().showtraceback((kind, error, trace), *args, **kwargs)
            if isinstance(error, UsageError):
                # Its one line is on stderr.
                self.last_error = {"type": kind.__name__, "message": message_of(error), "traceback": ""}
            elif self.last_error is before and not isinstance(error, BaseExceptionGroup):
                # IPython asked it what it is, and it can't say.
                self._showtraceback(kind, error, [*traceback.format_tb(trace)[1:], f"{kind.__name__}: {message_of(error)}"])
        elif exit_code(error) != 0:
            # It says why, and where is of no use.
            self._showtraceback(kind, error, [f"\x1b[31m{kind.__name__}\x1b[39m: {message_of(error)}"])

    def _format_exception_for_storage(self, exception, *_, **__):
        """What was shown of it: IPython would ask it once more what it is, and it may not say."""
        shown = self.last_error or {"type": type(exception).__name__, "message": message_of(exception), "traceback": ""}
        return {"ename": shown["type"], "evalue": shown["message"], "traceback": shown["traceback"].splitlines()}

    def _showtraceback(self, etype, evalue, stb):
        name = getattr(etype, "__name__", str(etype))
        self.last_error = {"type": name, "message": message_of(evalue), "traceback": "\n".join(stb)}
        self.output.emit({
            "output_type": "error", "ename": name, "evalue": self.last_error["message"], "traceback": list(stb),
        })

    def system(self, cmd):
        """`!cmd`, and `%pip`."""
        self.output.finish()
        self.user_ns["_exit_code"] = commands.run(self.var_expand(cmd, depth=1), shell=True, executable=_program())

    system_raw = system_piped = system

    def execute(self, code, silent, begun):
        """Runs a cell; returns the fields of a `done` event."""
        count = None if silent else self.execution_count
        packages.look()
        self.tasks.prepare(code)
        return self._run(begun, count, lambda: self.run_cell(code, store_history=not silent, silent=silent))

    def hear(self, message, begun):
        """Lets a comm hear a client's message, with all that it starts; returns the fields of a `done` event."""
        return self._run(begun, None, lambda: self._heard(message))

    def _heard(self, message):
        outcome = ExecutionResult(None)
        try:
            comms.hear(message)
        except Exception as error:
            outcome.error_in_exec = error
            self.showtraceback()
        return outcome

    def _run(self, begun, count, work):
        self.result = None
        self.last_error = self.shown_error = None
        # An interrupt may have struck while the cell before this one was tidied up.
        self.depth = 0
        sys.displayhook = self.displayhook
        started = time.perf_counter()
        outcome = self.interrupts.run(begun, work)
        timing_ms = round((time.perf_counter() - started) * 1000)
        failure = KeyboardInterrupt() if outcome is None else outcome.error_before_exec or outcome.error_in_exec
        status, error, code = "completed", None, None
        if isinstance(failure, KeyboardInterrupt):
            status = "interrupted"
        elif isinstance(failure, SystemExit):
            code = exit_code(failure)
            status = "completed" if code == 0 else "failed"
        elif failure is not None:
            status = "failed"
        if status != "completed":
            error = self.last_error or {
                "type": type(failure).__name__, "message": message_of(failure),
                "traceback": "".join(traceback.format_exception(failure)),
            }
        return {"status": status, "result": self.result, "error": error, "timing_ms": timing_ms,
                "execution_count": count, "exit_code": code}

    def init_user_ns(self):
        """After a reset, too, `%reset` included."""
        super().init_user_ns()
        self.user_ns["runtime"] = self.user_ns_hidden["runtime"] = self.runtime

    def is_hidden(self, name, value):
        """Whether this is IPython's or ours; what the user put in its place is not."""
        return name in self.user_ns_hidden and self.user_ns_hidden[name] is value

    def globals(self):
        """Names that the user defined, with their values."""
        return {name: value for name, value in list(self.user_ns.items())
                if isinstance(name, str) and not name.startswith("_") and not self.is_hidden(name, value)}


def make(output, interrupts, runtime):
    """The process's one shell."""
    # Read by matplotlib when it is imported, so that it costs nothing before.
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.banner1 = ""
    shell = ZMQInteractiveShell.instance(config=config, runtime=runtime)
    shell.output, shell.interrupts, shell.last_error = output, interrupts, None
    shell.tasks = Tasks()
    shell.transforms = quick.Transforms(shell)
    shell.register_magics(commands.Scripts)
    # IPython's builtins (display, get_ipython) are there for good, not put in and taken out per cell.
    shell.builtin_trap.__enter__()
    comms.install(output)
    jupyter.install(shell)
    sources.install()
    warnings.filterwarnings("ignore", message="To exit: use")
    return shell


def exit_code(error):
    """What a program would end with that raised this SystemExit."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        # Of a number so large that a program would end as if all were well, something is left.
        return error.code & 0xFF or int(error.code != 0)
    return 1


def _program():
    return "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"


def _text(data):
    """A mime bundle with bytes in base64, as nbformat wants them."""
    if not any(isinstance(value, bytes) for value in data.values()):
        return data
    import base64

    return {mime: base64.b64encode(value).decode() if isinstance(value, bytes) else value
            for mime, value in data.items()}
