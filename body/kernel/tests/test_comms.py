"""Comms, with the widgets of ipywidgets and without."""

import base64
from unittest import mock

from vivarium_kernel import wire
from worker import WorkerCase


class Comms(WorkerCase):
    def run_cell(self, code):
        """The answer, and the messages of comms that came before it."""
        self.client.send(type="execute", execution_id="e", code=code)
        return self.until_done()

    def hear(self, **message):
        self.client.send(type="execute", execution_id="c", code="", comm=message)
        return self.until_done()

    def until_done(self):
        seen = self.client.until("done")
        return seen[-1], [one["message"] for one in seen if one["type"] == "comm"]

    def test_a_sliders_value_goes_both_ways(self):
        done, told = self.run_cell("import ipywidgets as w\ns = w.IntSlider(value=3)\ns")
        self.assertEqual("completed", done["status"], done)
        opened = {one["content"]["data"]["state"]["_model_name"]: one for one in told}
        slider = opened["IntSliderModel"]
        self.assertEqual(("comm_open", "jupyter.widget", 3),
                         (slider["msg_type"], slider["content"]["target_name"], slider["content"]["data"]["state"]["value"]))
        comm_id = slider["content"]["comm_id"]
        self.assertIn({"comm_id": comm_id, "target_name": "jupyter.widget"}, self.client.ask("comms")["comms"])

        # From Python to the client, and from the client to Python, whose observer prints and plots.
        _, told = self.run_cell("s.value = 4")
        self.assertEqual([("comm_msg", {"value": 4})],
                         [(one["msg_type"], one["content"]["data"]["state"]) for one in told])
        self.run_cell("s.observe(lambda change: print('now', change.new) or display(change.new), 'value')")
        update = {"method": "update", "state": {"value": 7}, "buffer_paths": []}
        self.client.send(type="execute", execution_id="c", code="",
                         comm={"msg_type": "comm_msg", "comm_id": comm_id, "data": update})
        seen = self.client.until("done")
        outputs = [one["output"] for one in seen if one["type"] == "event"]
        self.assertEqual(("now 7\n", "7"), (self.text(outputs), outputs[-1]["data"]["text/plain"]))
        self.assertEqual(("completed", None, {"c"}), (seen[-1]["status"], seen[-1]["execution_count"],
                                                      {one["execution_id"] for one in seen}))
        self.assertEqual("7", self.client.execute("s.value")[0]["result"])

        # A client that comes later asks for all of it, as Jupyter's do.
        done, _ = self.hear(msg_type="comm_open", comm_id="mine", target_name="jupyter.widget.control",
                            metadata={"version": "1.0.0"})
        self.assertEqual("completed", done["status"], done)
        _, told = self.hear(msg_type="comm_msg", comm_id="mine", data={"method": "request_states"})
        self.assertEqual(7, told[-1]["content"]["data"]["states"][comm_id]["state"]["value"])

        _, told = self.run_cell("s.close()")
        self.assertEqual(["comm_close"], [one["msg_type"] for one in told])

    def test_targets_buffers_failures_and_the_end(self):
        code = """import comm
heard = []
def opened(one, told):
    heard.append(told["content"]["data"])
    @one.on_msg
    def _(told):
        one.send({"back": 1 / told["content"]["data"]["by"]}, buffers=[b"x" + told["buffers"][0]])
    one.on_close(lambda told: heard.append("closed"))
comm.get_comm_manager().register_target("mine", opened)"""
        self.run_cell(code)
        done, told = self.hear(msg_type="comm_open", comm_id="a", target_name="mine", data={"n": 1})
        self.assertEqual(("completed", []), (done["status"], told))
        data = base64.b64encode(b"yz").decode()
        done, told = self.hear(msg_type="comm_msg", comm_id="a", data={"by": 2}, buffers=[data])
        self.assertEqual({"comm_id": "a", "data": {"back": 0.5}}, told[0]["content"])
        self.assertEqual(b"xyz", base64.b64decode(told[0]["buffers"][0]))
        done, _ = self.hear(msg_type="comm_msg", comm_id="a", data={"by": 0}, buffers=[data])
        self.assertEqual(("failed", "ZeroDivisionError"), (done["status"], done["error"]["type"]))
        done, told = self.hear(msg_type="comm_close", comm_id="a")
        self.assertEqual(("completed", []), (done["status"], told))
        self.assertEqual("[{'n': 1}, 'closed']", self.client.execute("heard")[0]["result"])
        for message in ({"msg_type": "comm_msg", "comm_id": "a"},
                        {"msg_type": "comm_open", "comm_id": "b", "target_name": "none"}):
            done, _ = self.hear(**message)
            self.assertEqual(("failed", "Unknown"), (done["status"], done["error"]["type"]))
        self.assertEqual([], self.client.ask("comms")["comms"])

    def test_a_message_that_takes_long_is_interrupted(self):
        code = """import comm, time
def opened(one, told):
    one.send({})
    time.sleep(600)
comm.get_comm_manager().register_target("slow", opened)"""
        self.run_cell(code)
        self.client.send(type="execute", execution_id="c", code="",
                         comm={"msg_type": "comm_open", "comm_id": "a", "target_name": "slow"})
        self.client.until("comm")
        self.client.send(type="interrupt")
        self.assertEqual("interrupted", self.client.until("done")[-1]["status"])

    def test_widgets_beside_a_snapshot(self):
        self.client.execute("import ipywidgets as w\ns = w.IntSlider()\nx = 1")
        stored = self.client.ask("store", folder=self.folder, name="a")
        self.assertIn("x", stored["saved"])

    def test_a_message_is_whole_or_fails(self):
        message = {"type": "comm", "message": "x" * 200}
        with mock.patch.object(wire, "LARGEST_BYTES", 100):
            self.assertEqual(wire.encode(message), wire.encode_fitting(message))
            with mock.patch.object(wire, "LONGEST_FRAME", 200), self.assertRaises(ValueError):
                wire.encode_fitting(message)
