"""A worker whose namespace is stored, and brought back by another one."""

import json
import os

from blake3 import blake3

from worker import WorkerCase


class CryoCase(WorkerCase):
    def setUp(self):
        super().setUp()
        self.cryo = os.path.join(self.folder, "cryo")

    def store(self, name="a"):
        return self.client.ask("store", folder=self.cryo, name=name)

    def reload(self, name="a"):
        return self.client.ask("reload", folder=self.cryo, name=name)

    def again(self):
        """Another worker."""
        self.client.close()
        self.end()
        super().setUp()

    def run_cell(self, code):
        done, _ = self.client.execute(code)
        self.assertEqual("completed", done["status"], done["error"])
        return done["result"]

    def objects(self):
        folder = os.path.join(self.cryo, "objects")
        return {name: os.stat(os.path.join(folder, name)) for name in os.listdir(folder)}

    def rewrite(self, name, change):
        """A manifest, changed and sound."""
        path = os.path.join(self.cryo, name)
        with open(path, "rb") as file:
            manifest = json.loads(file.read().partition(b"\n")[2])
        change(manifest)
        text = json.dumps(manifest).encode()
        with open(path, "wb") as file:
            file.write(blake3(text).hexdigest().encode() + b"\n" + text)
