"""Programs that a cell runs: `!command`, `%pip`, `%%bash` and the other script magics.

Each has a process group of its own, which an interrupt of the cell ends. What it prints goes where the
cell's own streams lead: to descriptors 1 and 2, or to whatever was put in their place, as by `%%capture`.
"""

import codecs
import os
import select
import subprocess
import sys

from IPython.core.magic import cell_magic, magics_class
from IPython.core.magic_arguments import magic_arguments
from IPython.core.magics.script import ScriptMagics, script_args
from IPython.utils.process import arg_split

from . import packages
from .output import Stream
from .runtime import wait_for

CHUNK = 64 << 10
# How long a program may have ended without our noticing.
LOOK_MS = 20


def run(command, sinks=None, **how):
    """Runs a program to its end; returns its exit code.

    `sinks` take the text of its stdout and stderr; None is the cell's own stream.
    """
    sinks = [replaced(stream) if sink is None else sink
             for sink, stream in zip(sinks or (None, None), (sys.stdout, sys.stderr))]
    pipes = [None if sink is None else subprocess.PIPE for sink in sinks]
    process = subprocess.Popen(command, stdout=pipes[0], stderr=pipes[1], start_new_session=True, **how)
    files = [(file, sink) for file, sink in zip((process.stdout, process.stderr), sinks) if sink is not None]
    try:
        return wait_for(process, lambda: follow(process, files) if files else process.wait())
    finally:
        for file, _ in files:
            file.close()
        packages.installed()


def replaced(stream):
    """What stands in the place of one of the cell's streams; None where it is the stream itself."""
    return None if isinstance(stream, Stream) else stream


def follow(process, files):
    """Hands on what a program prints until it ends. What it left running may print on, unheard."""
    poll, readers = select.poll(), {}
    for file, sink in files:
        os.set_blocking(file.fileno(), False)
        poll.register(file, select.POLLIN)
        readers[file.fileno()] = (sink, codecs.getincrementaldecoder("utf-8")("replace"))
    while True:
        has_ended = process.poll() is not None
        ready = poll.poll(0 if has_ended else LOOK_MS) if readers else []
        for fd, _ in ready:
            sink, decoder = readers[fd]
            data = os.read(fd, CHUNK)
            if text := decoder.decode(data, final=not data):
                sink.write(text)
            if not data:
                poll.unregister(fd)
                del readers[fd]
        if has_ended and not ready:
            return process.returncode
        if not readers:
            return process.wait()


class Variable:
    """A variable that a program's text goes to."""

    def __init__(self, namespace, name):
        self._namespace, self._name = namespace, name
        namespace[name] = ""

    def write(self, text):
        self._namespace[self._name] += text


@magics_class
class Scripts(ScriptMagics):
    """`%%script`, `%%bash` and so on. IPython runs them in a thread, where no interrupt reaches them."""

    @magic_arguments()
    @script_args
    @cell_magic("script")
    def shebang(self, line, cell):
        """Runs the cell as the script of a program: `%%script PROGRAM`."""
        args, command = self.shebang.parser.parse_known_args(arg_split(line, posix=True))
        if args.bg:
            return super().shebang(line, cell)
        if not command:
            raise ValueError("%%script requires a program, such as: %%script bash")
        namespace = self.shell.user_ns
        sinks = [name and Variable(namespace, name) for name in (args.out, args.err)]
        self.shell.output.finish()
        text = cell if cell.endswith("\n") else cell + "\n"
        with open(os.memfd_create("cell"), "w+b") as script:
            script.write(text.encode("utf-8", "replace"))
            script.seek(0)
            try:
                code = run(command, sinks, stdin=script)
            except FileNotFoundError:
                print(f"Couldn't find program: {command[0]!r}")
                return None
        if code != 0 and args.raise_error:
            # With the script where others have the command, as IPython has it.
            raise subprocess.CalledProcessError(code, text.encode("utf-8", "replace"))
        return None
