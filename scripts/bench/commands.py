"""Measures commands as the window gives them: through the app, which asks the machine.

Usage: commands.py --vivarium PROGRAM

The instance is named by the environment, as for the command line.
"""

import http.client
import json
import statistics
import subprocess
import threading
import time

from arguments import arguments

CALLS, CELLS, WARM = 200, 60, 10


class App:
    """`vivarium serve`, and one connection to it."""

    def __init__(self, vivarium):
        self._process = subprocess.Popen(
            [vivarium, "serve", "--json", "--port", "0"], stdout=subprocess.PIPE, text=True
        )
        told = json.loads(self._process.stdout.readline())
        self.address, self._headers = told["address"], {"Authorization": f"Bearer {told['token']}"}
        self._connection = http.client.HTTPConnection(self.address, timeout=60)

    def call(self, command, request):
        self._connection.request("POST", f"/rpc/{command}", json.dumps(request), self._headers)
        response = self._connection.getresponse()
        answer = json.loads(response.read())
        assert response.status == 200, answer
        return answer

    def events(self):
        """The stream's events, as they come."""
        connection = http.client.HTTPConnection(self.address, timeout=60)
        connection.request("GET", "/events?after=0", headers=self._headers)
        response = connection.getresponse()
        while line := response.readline():
            if line.startswith(b"data: "):
                yield json.loads(line[6:])

    def end(self):
        self._process.terminate()
        self._process.wait()


class Cells(threading.Thread):
    """Hears which cells ended."""

    def __init__(self, app):
        super().__init__(daemon=True)
        self._app, self._ended = app, {}
        self._changed = threading.Condition()

    def run(self):
        for event in self._app.events():
            inner = event.get("event", event)
            if inner.get("kind") == "cell_ended":
                with self._changed:
                    self._ended[inner["cell_id"]] = inner
                    self._changed.notify_all()

    def wait(self, cell):
        with self._changed:
            assert self._changed.wait_for(lambda: cell in self._ended, timeout=60), f"{cell} did not end"
            assert self._ended[cell]["failure"] is None, self._ended[cell]


def row(name, times):
    times = sorted(seconds * 1000 for seconds in times)
    p95 = times[int(len(times) * 0.95)]
    print(f"| {name} | {statistics.median(times):.2f} ms (p95 {p95:.2f}) |  |  |  |")


def measured(work, count):
    times = []
    for number in range(WARM + count):
        begin = time.perf_counter()
        work(number)
        times.append(time.perf_counter() - begin)
    return times[WARM:]


def main():
    app = App(arguments("vivarium").vivarium)
    try:
        cells = Cells(app)
        cells.start()

        def cell(number):
            app.call("kernel_exec", {"cell_id": f"c{number}", "code": "1+1"})
            cells.wait(f"c{number}")

        question = {"code": "import os\nos.pa", "cursor_pos": 15}
        row(f"app: completion, {CALLS} calls", measured(lambda _: app.call("kernel_complete", question), CALLS))
        row(f"app: cell `1+1` from command to its end, {CELLS} cells", measured(cell, CELLS))
        row(f"app: variables, {CALLS} calls", measured(lambda _: app.call("kernel_variables", None), CALLS))
    finally:
        app.end()


main()
