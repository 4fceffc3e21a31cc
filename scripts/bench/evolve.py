"""Measures evolves of the machine: how long it is away, how long they take in all. Prints rows of a table.

Usage: evolve.py --vivarium PROGRAM --kernel http://127.0.0.1:PORT --token-file F

The instance is named by the environment, as for the command line.
"""

import http.client
import json
import statistics
import subprocess
import threading
import time
from urllib.parse import urlsplit

from arguments import arguments

EVOLVES, ROLLBACKS = 3, 6
# A file of the Python worker, in the machine's repo.
CHANGED = "/repo/body/kernel/vivarium_kernel/__init__.py"
# Between two questions whether it answers.
LOOK_S = 0.005


class Machine:
    def __init__(self, url, token):
        self._headers = {"Authorization": f"Bearer {token}"}
        parts = urlsplit(url)
        self._address = parts.hostname, parts.port

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection(*self._address, timeout=60)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), self._headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def answers(self):
        try:
            status, answer = self.call("GET", "/ping")
            return status == 200 and answer["status"] == "ok"
        except (OSError, http.client.HTTPException, ValueError, LookupError):
            return False


class Watch(threading.Thread):
    """Asks again and again; the longest time between two answers is how long it was away."""

    def __init__(self, machine):
        super().__init__(daemon=True)
        self._machine, self._over, self.away_s = machine, threading.Event(), 0.0
        self.heard = threading.Event()

    def run(self):
        last = None
        while not self._over.wait(LOOK_S):
            if self._machine.answers():
                now = time.perf_counter()
                self.away_s = max(self.away_s, now - last if last else 0.0)
                last = now
                self.heard.set()

    def end(self):
        self._over.set()
        self.join()
        return self.away_s


def timed(machine, words):
    """Seconds of a command that replaces the machine: in all, and those without an answer."""
    watch = Watch(machine)
    watch.start()
    while not watch.heard.wait(1):
        assert watch.is_alive(), "nobody answers"
    begin = time.perf_counter()
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    took = time.perf_counter() - begin
    away = watch.end()
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return took, away


def row(what, times, limit):
    text = f"{statistics.median(times):.2f} s"
    beside = f"{min(times):.2f} to {max(times):.2f} s of {len(times)}"
    print(f"| {what} | {text} | {beside} | | {limit} |", flush=True)


def main():
    options = arguments("vivarium", "kernel", "token-file")
    machine = Machine(options.kernel, options.token)

    def change(number):
        status, answer = machine.call("POST", "/shell", {"command": f"echo '# {number}' >> {CHANGED}"})
        assert (status, answer["returncode"]) == (200, 0), answer

    def evolve(number):
        change(number)
        return timed(machine, [options.vivarium, "evolve", "--note", f"bench {number}"])

    # The first one fills the cache, and gives the present image a number.
    evolve(0)
    evolves = [evolve(number) for number in range(1, EVOLVES + 1)]
    listed = subprocess.run([options.vivarium, "generations", "--json"], capture_output=True, text=True, check=True)
    good = [one["number"] for one in json.loads(listed.stdout)["generations"] if one["state"] == "good"]
    rollbacks = [
        timed(machine, [options.vivarium, "rollback", str(good[number % 2 == 0])]) for number in range(ROLLBACKS)
    ]
    row("evolve, a Python file changed", [took for took, _ in evolves], "<= 20 s")
    row("rollback", [took for took, _ in rollbacks], "<= 4 s")
    row("away in a swap", [away for _, away in evolves + rollbacks], "<= 2.5 s")


main()
