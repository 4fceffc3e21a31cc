"""Notebooks have the outputs that nbclient gets from ipykernel."""

import glob
import json
import os
import re
import subprocess
import tempfile
import unittest

from worker import WorkerCase

HERE = os.path.dirname(__file__)
NOTEBOOKS = sorted(glob.glob(os.path.join(HERE, "notebooks", "*.ipynb")))


def setUpModule():
    global expected
    python = os.environ["VIVARIUM_NBCLIENT_PYTHON"]
    with tempfile.NamedTemporaryFile() as written:
        ended = subprocess.run(
            [python, os.path.join(HERE, "beside.py"), written.name, *NOTEBOOKS], capture_output=True, text=True, timeout=300, check=False,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        )
        if ended.returncode != 0:
            raise AssertionError(ended.stderr)
        expected = dict(zip(NOTEBOOKS, json.load(written)))


class Document:
    """A notebook as it fills: what a view, or nbclient, makes of a kernel's messages."""

    def __init__(self, cells):
        self.cells = [[] for _ in range(cells)]
        self.displays = {}
        self.clears = False

    def take(self, cell, message):
        outputs = self.cells[cell]
        if message["type"] == "clear_output":
            self.clears = message["wait"]
            if not self.clears:
                outputs.clear()
        if message["type"] != "event":
            return
        output = message["output"]
        kind = output["output_type"]
        display = (output.get("transient") or {}).get("display_id")
        made = {name: value for name, value in output.items() if name != "transient"}
        for one in self.displays.get(display, []):
            one["data"], one["metadata"] = made["data"], made["metadata"]
        if kind == "update_display_data":
            return
        if self.clears:
            outputs.clear()
            self.clears = False
        if display is not None:
            self.displays.setdefault(display, []).append(made)
        outputs.append(made)


def plain(text):
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    text = re.sub(r"0x[0-9a-f]{6,}", "0xADDRESS", text)
    # A command has a terminal there, whose lines end with both.
    text = text.replace("\r\n", "\n").replace(r"\r\n", r"\n")
    # What a cell is called where a file's name is expected.
    return re.sub(r'<ipython-input-\d+-[0-9a-f]+>|([^\s"]*ipykernel_\d+/)?\b\d{4,}\.py', "CELL", text)


def normal(outputs):
    """Texts of streams, whatever pieces they came in, and everything else in its order."""
    streams, others = {}, []
    for output in outputs:
        if output["output_type"] == "stream":
            streams[output["name"]] = streams.get(output["name"], "") + "".join(output["text"])
            continue
        output = dict(output)
        if "data" in output:
            output["data"] = {kind: plain("".join(value)) if isinstance(value, (str, list)) and kind.startswith("text/") else value
                              for kind, value in output["data"].items()}
        if "evalue" in output:
            output["evalue"] = plain(output["evalue"])
        if "traceback" in output:
            # Of the lines between, ipykernel quotes fewer and others: IPython finds no file of the name that it gives a cell.
            lines = plain("\n".join(output["traceback"])).splitlines()
            output["traceback"] = lines[:2] + lines[-1:]
        others.append(output)
    return {name: plain(text) for name, text in streams.items()}, others


class BesideNbclient(WorkerCase):
    maxDiff = 4000

    def outputs(self, notebook):
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        document = Document(len(code))
        for at, cell in enumerate(code):
            self.client.send(type="execute", execution_id=f"e{at}", code="".join(cell["source"]))
            for message in self.client.until("done"):
                document.take(at, message)
        return code, document.cells

    def compare(self, name):
        path = os.path.join(HERE, "notebooks", f"{name}.ipynb")
        code, ours = self.outputs(expected[path])
        for cell, found in zip(code, ours):
            with self.subTest("".join(cell["source"])):
                self.assertEqual(normal(cell["outputs"]), normal(found))


def case(path):
    name = os.path.splitext(os.path.basename(path))[0]
    setattr(BesideNbclient, f"test_{name}", lambda self: self.compare(name))


for path in NOTEBOOKS:
    case(path)

if __name__ == "__main__":
    unittest.main()
