"""Comms: messages between what cells made (the widgets of ipywidgets above all) and clients that show it.

The `comm` package leaves how they travel to the kernel. Here they are events of the cell that runs, or
ran last; what a client sends takes its turn between cells, and is heard in the main thread.
"""

import base64

import comm
from comm.base_comm import BaseComm, CommManager

_manager = CommManager()


class Unknown(LookupError):
    """The comm, or the target, that a client means is not there."""


def install(output):
    """From here on `comm.create_comm` makes comms of ours."""

    class Comm(BaseComm):
        def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
            output.tell("comm", message={
                "msg_type": msg_type, "content": {"comm_id": self.comm_id, **keys, "data": data or {}},
                "metadata": metadata or {},
                "buffers": [base64.b64encode(buffer).decode() for buffer in buffers or ()],
            })

    comm.create_comm = Comm
    comm.get_comm_manager = lambda: _manager


def hear(message):
    """Gives a client's message to the comm that it is for. What that raises is the sender's to see."""
    kind, comm_id = message["msg_type"], message["comm_id"]
    content = {"comm_id": comm_id, "data": message.get("data") or {}}
    told = {"content": content, "metadata": message.get("metadata") or {},
            "buffers": [base64.b64decode(buffer) for buffer in message.get("buffers") or ()]}
    if kind == "comm_open":
        _open(message.get("target_name"), comm_id, told)
        return
    one = _manager.comms.get(comm_id)
    if one is None:
        raise Unknown(f"comm {comm_id!r} not found")
    if kind == "comm_close":
        # It is closed already for the one that says so: nothing is sent back.
        one._closed = True
        _manager.unregister_comm(one)
        one.handle_close(told)
    else:
        one.handle_msg(told)


def _open(target, comm_id, told):
    made = _manager.targets.get(target)
    if made is None:
        raise Unknown(f"no handler for comms of the target {target!r} in this kernel")
    told["content"]["target_name"] = target
    one = comm.create_comm(comm_id=comm_id, primary=False, target_name=target)
    _manager.register_comm(one)
    try:
        made(one, told)
    except BaseException:
        one.close()
        raise


def listed():
    """The comms that are open."""
    return {"comms": [{"comm_id": comm_id, "target_name": one.target_name}
                      for comm_id, one in list(_manager.comms.items())]}
