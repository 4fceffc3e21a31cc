"""A worker whose namespace is stored, and brought back by another one."""

import os

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
