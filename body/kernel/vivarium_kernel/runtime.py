"""`runtime`: what every cell finds in its namespace without an import."""

import os
import re
import subprocess
import threading

from .resource import Process, Resource, SameContext

# Linux hands 128 KiB per variable to a program at most, and 2 MiB or so for all of them.
LONGEST_VALUE = 64 << 10
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Shell:
    """Runs commands in the folder and environment of the machine's shell.

    `cd` and `env` apply to later commands and are shared with POST /shell; they don't change
    the kernel's own working folder and environment.
    """

    def __init__(self, changed):
        self._changed = changed
        self._lock = threading.Lock()
        self._cwd = os.getcwd()
        self._env = {}
        self._changes = 0

    def run(self, cmd):
        """Runs a command line; returns its `stdout`, `stderr` (text) and `returncode`."""
        process = self._popen(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, errors="replace")
        stdout, stderr = wait_for(process, process.communicate)
        return {"stdout": stdout, "stderr": stderr, "returncode": process.returncode}

    def cd(self, path):
        """Changes the folder of later commands; returns it."""
        with self._lock:
            target = os.path.realpath(os.path.join(self._cwd, os.path.expanduser(os.fspath(path))))
            if not os.path.isdir(target):
                raise NotADirectoryError(f"{target} is not a folder")
            self._cwd = target
            self._tell({"cwd": target})
        return target

    def env(self, key, value):
        """Sets an environment variable for later commands."""
        value = str(value)
        _check_variable(key, value)
        with self._lock:
            self._env[key] = value
            self._tell({"env": {key: value}})

    def start(self, cmd):
        """Starts a command line and returns its `subprocess.Popen`; its output is shown in the cell."""
        return self._popen(cmd, stdin=subprocess.DEVNULL)

    def resource(self, factory, *args, **kwargs):
        """Returns a handle like `runtime.resource`, for something that uses this folder and environment.

        It reconnects when `cd` or `env` changed either. If the factory is a string, it is a command line:
        the handle's value is its running process, which is restarted when it has exited.
        """
        if isinstance(factory, str):
            handle = Resource(Process(self, factory), args, kwargs)
            handle.validate(_runs).teardown(end_group)
        else:
            handle = Resource(factory, args, kwargs)
        same = SameContext(self)
        return handle.on_connect(same.remember).validate(same)

    def _popen(self, cmd, **how):
        with self._lock:
            cwd, env = self._cwd, {**os.environ, **self._env}
        program = "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"
        # As POST /shell: a text is a line for the shell, a list is a program and its arguments.
        if not cmd and not isinstance(cmd, str):
            raise ValueError("the list of arguments is empty; it must start with a program")
        words = [cmd] if isinstance(cmd, str) else ['"$@"', program, *cmd]
        return subprocess.Popen([program, "-c", *words], cwd=cwd, env=env, start_new_session=True, **how)

    def context(self):
        """`{"cwd", "env", "changes"}`; env holds what was set, not what was inherited."""
        with self._lock:
            return {"cwd": self._cwd, "env": dict(self._env), "changes": self._changes}

    def adopt(self, cwd, env, seen=None):
        """Takes over the supervisor's context; None leaves a half as it is.

        `seen` is the last change of ours that the supervisor knows. Where there was a later one,
        this context is older than ours, and one that holds both is on its way.
        """
        with self._lock:
            if seen is not None and seen < self._changes:
                return
            if isinstance(cwd, str) and cwd:
                self._cwd = cwd
            if isinstance(env, dict):
                self._env = {str(key): str(value) for key, value in env.items()}

    def restore(self, cwd, env):
        """Takes over the context of a snapshot, and tells the supervisor. Older ones may hold anything."""
        with self._lock:
            if os.path.isdir(cwd):
                self._cwd = cwd
            self._env = {key: value for key, value in env.items() if _is_variable(key, value)}
            self._tell({"cwd": self._cwd, "env": self._env})

    def _tell(self, change):
        # With the lock held, so that changes are told in their order.
        self._changes += 1
        self._changed({**change, "changes": self._changes})

    def __reduce__(self):
        return _the_shell, ()

    def __repr__(self):
        return f"<runtime.shell in {self._cwd}>"


class Runtime:
    """Functions of the machine for cells, available as `runtime`.

    runtime.resource(factory, *args, **kwargs)   a connection that reconnects when it is lost
    runtime.shell.run(cmd)                       {"stdout", "stderr", "returncode"} of a command: a line
                                                 for bash, or a list of a program and its arguments
    runtime.shell.cd(path), .env(key, value)     folder and environment of later commands
    runtime.shell.resource(...)                  a connection that uses that folder and environment
    runtime.evolve(note=...)                     replaces the machine with a new one built from /repo

    See also `help(runtime.resource)` and `help(runtime.shell)`. Handles and the shell's context are
    saved in snapshots (POST /cryo/store).
    """

    def __init__(self, changed):
        self.shell = Shell(changed)

    def resource(self, factory, *args, **kwargs):
        """Returns a handle of what `factory(*args, **kwargs)` connects to, with `get()` and these methods, which can be chained:

        `invalidate()`, `on_connect(fn)`, `validate(fn)`, `teardown(fn)`,
        `retry(max_attempts=10, base_delay_s=0.2, max_delay_s=5.0, backoff=2.0, jitter=0.2)`.
        """
        return Resource(factory, args, kwargs)

    def evolve(self, note=None, running_cell=None):
        """Requests a new machine, built from /repo; returns `{"status", "run_id", "message"}` at once.

        It is built and tested beside this one; then the run waits for running cells (or interrupts them
        with `running_cell="interrupt"`), saves the variables, and replaces this machine.
        """
        wish = {"note": note, "running_cell": running_cell}
        return _ask("POST", "/evolve", {name: value for name, value in wish.items() if value is not None})

    def __reduce__(self):
        return _the_runtime, ()

    def __repr__(self):
        return "<runtime: resource, shell, evolve>"


def _check_variable(key, value):
    """As POST /shell/env: what a shell can't name or no program can be given would fail every later command."""
    if not isinstance(key, str) or not _NAME.fullmatch(key):
        raise ValueError(f"invalid variable name {key!r}: use letters, digits and _; the first character must not be a digit")
    if "\0" in value:
        raise ValueError(f"the value of {key} can't contain a zero byte")
    if (size := len(os.fsencode(value))) > LONGEST_VALUE:
        raise ValueError(f"the value of {key} has {size} bytes; the limit is {LONGEST_VALUE}: write it to a file")


def _is_variable(key, value):
    try:
        _check_variable(key, value)
    except ValueError:
        return False
    return True


def _the_runtime():
    """This process's own: a snapshot refers to it and never holds a second one."""
    from IPython.core.getipython import get_ipython

    return get_ipython().runtime


def _the_shell():
    return _the_runtime().shell


def _ask(method, path, body):
    """The machine's own API, over its Unix socket; a refusal is a RuntimeError with its words."""
    import http.client
    import json
    import socket

    class Connection(http.client.HTTPConnection):
        def connect(self):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(self.timeout)
            self.sock.connect(os.path.join(os.environ.get("VIVARIUM_RUN_DIR", "/run/vivarium"), "body.sock"))

    connection = Connection("localhost", timeout=30)
    try:
        connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        told = json.loads(answer.read())
    finally:
        connection.close()
    if answer.status != 200:
        raise RuntimeError(told["error"]["message"])
    return told


def _runs(process):
    return process.poll() is None


def wait_for(process, wait):
    """Calls `wait`; if the cell is interrupted meanwhile, so is the process's group."""
    try:
        return wait()
    except BaseException:
        end_group(process)
        raise


def end_group(process, grace_s=2.0):
    """Interrupts a process that leads a group of its own, and kills it if it stays."""
    import signal

    for number, patience in ((signal.SIGINT, grace_s), (signal.SIGTERM, grace_s), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass
        try:
            process.wait(patience)
            return
        except subprocess.TimeoutExpired:
            continue
