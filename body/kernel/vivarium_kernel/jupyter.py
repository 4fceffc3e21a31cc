"""What libraries look for in a notebook: `get_ipython().kernel`, and the package `ipykernel`.

They ask whose cell runs and send messages of comms; the rest of ipykernel is a server that isn't here.
"""

import importlib.abc
import importlib.machinery
import platform
import sys
import types

import comm

VERSION = (7, 1, 0)


class Kernel:
    """As much of ipykernel's kernel as cells use."""

    implementation = "ipython"
    language_info = {
        "name": "python", "version": platform.python_version(), "mimetype": "text/x-python", "file_extension": ".py",
        "codemirror_mode": {"name": "ipython", "version": 3}, "pygments_lexer": "ipython3", "nbconvert_exporter": "python",
    }
    _instance = None

    def __init__(self, shell):
        self.shell = shell
        self._header = {}
        Kernel._instance = self

    @classmethod
    def initialized(cls):
        return cls._instance is not None

    @classmethod
    def instance(cls, *_, **__):
        return cls._instance

    def begin(self, execution_id):
        """From here on this cell runs."""
        self._header = {"msg_id": execution_id, "msg_type": "execute_request", "session": "", "username": "", "version": "5.3"}

    def get_parent(self, channel="shell"):
        """The request whose cell runs."""
        return {"header": self._header, "parent_header": {}, "metadata": {}, "content": {}}

    _parent_header = property(get_parent)

    @property
    def comm_manager(self):
        return comm.get_comm_manager()

    @property
    def user_ns(self):
        return self.shell.user_ns

    @property
    def execution_count(self):
        return self.shell.execution_count


def install(shell):
    """From here on libraries find both."""
    shell.kernel = Kernel(shell)
    sys.meta_path.insert(0, Finder(shell))


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Makes `ipykernel` when it is imported. Where the real one is installed, what this has not comes from there."""

    def __init__(self, shell):
        self._modules = {
            "ipykernel": {"version_info": VERSION, "__version__": ".".join(map(str, VERSION))},
            "ipykernel.comm": {"CommManager": comm.base_comm.CommManager, "BaseComm": comm.base_comm.BaseComm},
            "ipykernel.kernelbase": {"Kernel": Kernel},
            "ipykernel.ipkernel": {"IPythonKernel": Kernel},
            "ipykernel.kernelapp": {"IPKernelApp": Kernel},
            "ipykernel.zmqshell": {"ZMQInteractiveShell": type(shell)},
        }

    def find_spec(self, name, path=None, target=None):
        if name not in self._modules:
            return None
        spec = importlib.machinery.ModuleSpec(name, self, is_package=name in ("ipykernel", "ipykernel.comm"))
        if name == "ipykernel":
            found = importlib.machinery.PathFinder.find_spec(name)
            spec.submodule_search_locations = list(found.submodule_search_locations or []) if found else []
        return spec

    def create_module(self, spec):
        return types.ModuleType(spec.name, __doc__)

    def exec_module(self, module):
        vars(module).update(self._modules[module.__name__])
        if module.__name__ == "ipykernel.comm":
            module.Comm = comm.create_comm
