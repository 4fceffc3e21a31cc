"""Runs notebooks with nbclient and ipykernel, in an environment of their own, and writes them with their outputs.

Used by `test_beside_nbclient.py`. Its first argument is the file to write, a JSON list of notebooks in the order
of the other arguments.
"""

import json
import sys
import tempfile

import nbclient
import nbformat

done = []
for path in sys.argv[2:]:
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", allow_errors=True, resources=resources).execute()
    done.append(notebook)
with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump(done, file)
