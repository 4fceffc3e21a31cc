"""Measures the machine's body beyond one cell: commands, floods, queues, snapshots, memory. Prints rows of a table.

Usage: body.py --kernel http://127.0.0.1:PORT --token-file F --container NAME
"""

import glob
import http.client
import json
import re
import statistics
import subprocess
import threading
import time
from urllib.parse import urlsplit

from jupyter_client.manager import start_new_kernel

from arguments import arguments

ROUNDS = 200
CLIENTS, CELLS = 16, 40
FLOOD_MB = 50
IDLE_S = 20
EXECUTIONS = 10_000
ARRAY_MB = 1024
SNAPSHOTS = 3

FLOOD = f"line = 'x' * 99\nfor _ in range({FLOOD_MB} * 10_000): print(line)"
WRITE = """
import os, time, numpy as np
try:
    data
except NameError:
    data = {make}
view = memoryview(data).cast('B')
os.sync()
began = time.perf_counter()
with open('/data/plain', 'wb', buffering=0) as file:
    left = view
    while left: left = left[file.write(left):]
    os.fsync(file.fileno())
wrote = time.perf_counter() - began
fd = os.open('/data/plain', os.O_RDONLY)
os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
block = bytearray(8 << 20)
began = time.perf_counter()
while os.readv(fd, [block]): pass
read = time.perf_counter() - began
os.close(fd)
os.unlink('/data/plain')
os.sync()
f'{{wrote}} {{read}}'
"""
COLD = """
import glob, os
for path in glob.glob('/data/cryo/objects/*'):
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)
del data
"""


class Machine:
    """One connection to the kernel API, made again when it is used after `rest`."""

    def __init__(self, url, token):
        self._headers = {"Authorization": f"Bearer {token}"}
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port)

    def call(self, method, path, body=None):
        self._connection.request(method, path, None if body is None else json.dumps(body), self._headers)
        response = self._connection.getresponse()
        answer = json.loads(response.read())
        assert response.status == 200, answer
        return answer

    def rest(self):
        """A connection that says nothing for long would be closed by the other side."""
        self._connection.close()

    def cell(self, code):
        answer = self.call("POST", "/exec", {"code": code})
        assert answer["status"] == "completed", answer
        return answer["result"]

    def stream(self, code):
        """Bytes of a streamed cell."""
        headers = {**self._headers, "Accept": "text/event-stream"}
        self._connection.request("POST", "/exec", json.dumps({"code": code}), headers)
        response, total = self._connection.getresponse(), 0
        while chunk := response.read1(1 << 20):
            total += len(chunk)
        return total


def seconds(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def shell_rows(machine):
    ours, floor, bash = [], [], []
    for _ in range(ROUNDS):
        ours.append(seconds(lambda: machine.call("POST", "/shell", {"command": "true"})))
        floor.append(seconds(lambda: machine.call("GET", "/ping")))
        bash.append(seconds(lambda: subprocess.run(["bash", "-c", "true"], check=True)))
    ours, floor, bash = (statistics.median(times) * 1000 for times in (ours, floor, bash))
    yield ("POST /shell of true, p50", f"{ours:.2f} ms", f"{bash:.2f} ms (bash -c true) + {floor:.2f} ms (GET /ping)",
           f"{ours / (bash + floor):.2f} x", "<= 1.30 x")


def queue_rows(machine, make):
    one = seconds(lambda: [machine.cell("1+1") for _ in range(CLIENTS * CELLS)])
    clients = [make() for _ in range(CLIENTS)]
    threads = [threading.Thread(target=lambda client=client: [client.cell("1+1") for _ in range(CELLS)])
               for client in clients]
    many = seconds(lambda: ([thread.start() for thread in threads], [thread.join() for thread in threads]))
    yield (f"{CLIENTS * CELLS} cells from {CLIENTS} clients", f"{many * 1000:.0f} ms",
           f"{one * 1000:.0f} ms (one client)", f"{many / one:.2f} x", "<= 1 x")


def flood_rows(machine):
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        def peer():
            message_id, total, over = client.execute(FLOOD), 0, False
            while not over:
                message = client.get_iopub_msg(timeout=60)
                if message["parent_header"].get("msg_id") == message_id:
                    total += len(message["content"].get("text", ""))
                    over = message["content"].get("execution_state") == "idle"
            return total

        machine.rest()
        theirs = min(seconds(peer) for _ in range(3))
        ours = min(seconds(lambda: machine.stream(FLOOD)) for _ in range(3))
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    yield (f"{FLOOD_MB} MB of stdout, streamed", f"{ours:.2f} s", f"{theirs:.2f} s (jupyter_client, ipykernel)",
           f"{ours / theirs:.2f} x", "<= 0.50 x")


def snapshot(machine, make):
    """Seconds to write and read the plain bytes, to store them, once more, and to reload them."""
    wrote, read = map(float, machine.cell(WRITE.format(make=make)).strip("'").split())
    machine.cell("del view, left, block")
    store = seconds(lambda: machine.call("POST", "/cryo/store", {"name": "bench"}))
    again = seconds(lambda: machine.call("POST", "/cryo/store", {"name": "bench-again"}))
    machine.cell(COLD)
    back = seconds(lambda: machine.call("POST", "/cryo/reload", {"name": "bench"}))
    assert machine.cell("data.nbytes >> 20") == str(ARRAY_MB)
    for name in ("bench", "bench-again"):
        machine.call("DELETE", f"/cryo/{name}")
    return wrote, read, store, again, back


def cryo_rows(machine):
    # What can be compressed has to be quicker than what can't.
    aims = (">= 0.85 x", ">= 0.80 x")
    for label, make in (("random", "np.random.default_rng(0).random({mb} << 17)"),
                        ("compressible", "np.arange({mb} << 17, dtype='f8') // 1000")):
        machine.call("POST", "/restart", {})
        # A disk does not keep its speed: what it is compared with is measured beside each one.
        rounds = [snapshot(machine, make.format(mb=ARRAY_MB)) for _ in range(SNAPSHOTS)]
        wrote, read, store, again, back = map(statistics.median, zip(*rounds))
        yield (f"{ARRAY_MB} MB {label}: store", f"{store:.2f} s", f"{wrote:.2f} s (write, fsync)",
               f"{wrote / store:.2f} x the speed", aims[0])
        yield (f"{ARRAY_MB} MB {label}: store again", f"{again:.2f} s", f"{store:.2f} s (the first)",
               f"{again / store:.2f} x", "<= 0.10 x")
        yield (f"{ARRAY_MB} MB {label}: reload", f"{back:.2f} s", f"{read:.2f} s (cold read)",
               f"{read / back:.2f} x the speed", aims[1])
        aims = (f"< {store:.2f} s", f"< {back:.2f} s")
    machine.call("POST", "/restart", {})


def pids(container, pattern):
    """The host's numbers of processes in the container: Docker's own engine runs on this computer."""
    text = subprocess.run(["docker", "top", container, "-eo", "pid,args"], check=True, capture_output=True, text=True)
    return [line.split()[0] for line in text.stdout.splitlines()[1:] if re.search(pattern, line)]


def pss_mb(container, pattern):
    total = 0
    for pid in pids(container, pattern):
        with open(f"/proc/{pid}/smaps_rollup") as file:
            total += int(re.search(r"^Pss:\s+(\d+) kB", file.read(), re.M)[1])
    return total / 1024


def ticks(container, pattern):
    total = 0
    for pid in pids(container, pattern):
        with open(f"/proc/{pid}/stat") as file:
            total += sum(map(int, file.read().rpartition(")")[2].split()[11:13]))
    return total


def wakes(container, pattern):
    """How often any thread of these processes was woken so far."""
    total = 0
    for pid in pids(container, pattern):
        for status in glob.glob(f"/proc/{pid}/task/*/status"):
            with open(status) as file:
                total += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", file.read(), re.M)[1])
    return total


def memory_rows(machine, container):
    body, kernel = "body (init|supervise)", "vivarium_kernel"
    idle = pss_mb(container, body)
    machine.rest()
    before, woken = ticks(container, body), wakes(container, body)
    time.sleep(IDLE_S)
    share = (ticks(container, body) - before) / IDLE_S
    # The image's health check asks every ten seconds.
    woken = (wakes(container, body) - woken) / IDLE_S
    yield ("body init + supervise, idle", f"{idle:.1f} MB PSS, {share:.1f} % CPU, woken {woken:.1f} times a second",
           "", "", "<= 12 MB, 0.0 %")
    # The first cells fill what is kept of recent ones.
    for _ in range(EXECUTIONS // 10):
        machine.cell("1+1")
    begin = pss_mb(container, body), pss_mb(container, kernel)
    for _ in range(EXECUTIONS):
        machine.cell("1+1")
    end = pss_mb(container, body), pss_mb(container, kernel)
    yield (f"growth over {EXECUTIONS} cells", f"body {end[0] - begin[0]:+.1f} MB, kernel {end[1] - begin[1]:+.1f} MB",
           "", "", "none")


def main():
    options = arguments("kernel", "token-file", "container")

    def make():
        return Machine(options.kernel, options.token)

    machine = make()
    machine.cell("1+1")
    for rows in (memory_rows(machine, options.container), shell_rows(machine), queue_rows(machine, make),
                 flood_rows(machine), cryo_rows(machine)):
        for row in rows:
            print("| " + " | ".join(row) + " |", flush=True)


main()
