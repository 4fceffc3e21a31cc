"""Measures sandboxes against `docker run --rm` of the same image, in turns, and E2B's client on top.

Usage: sandboxes.py --vivarium PROGRAM --image TAG --home FOLDER --instance NAME

Serves by itself, from the data folder HOME, with a pool of ten.
"""

import concurrent.futures
import http.client
import json
import os
import pathlib
import statistics
import subprocess
import threading
import time

from arguments import arguments

POOL = 10
WARM, COLD, EXECS, CLIENTS, TURNS = 60, 12, 200, 40, 3
AT_ONCE = (1, 10, 50)
OUTPUT = 50 << 20
# Lines of text, as programs write them.
WRITES = ["sh", "-c", f"yes 'A line of output as programs write it, of 64 bytes with its end' | head -c {OUTPUT}"]
# As much as our sandboxes are restricted.
RESTRICTED = [
    "--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges",
    "--memory=512m", "--cpus=1", "--pids-limit=256", "--user=sandboxuser", "--tmpfs=/tmp",
]


class Api:
    """One connection to `vivarium serve`."""

    def __init__(self, address, token):
        self._address, self._headers = address, {"Authorization": f"Bearer {token}"}
        self._connection = http.client.HTTPConnection(address, timeout=120)

    def again(self):
        return Api(self._address, self._headers["Authorization"].removeprefix("Bearer "))

    def ask(self, method, path, body=None, **headers):
        self._connection.request(method, path, None if body is None else json.dumps(body), self._headers | headers)
        return self._connection.getresponse()

    def call(self, method, path, body=None):
        response = self.ask(method, path, body)
        answer = json.loads(response.read())
        assert response.status < 300, answer
        return answer

    def create(self, **request):
        return self.call("POST", "/sessions", request)["sandbox_id"]

    def remove(self, sandbox):
        self.call("DELETE", f"/sessions/{sandbox}")

    def first_output(self, sandbox):
        """Runs `echo` and comes back with its first bytes; what is left of the answer is read behind it."""
        response = self.ask("POST", f"/sessions/{sandbox}/exec", {"command": ["echo", "here"]}, Accept="text/event-stream")
        while line := response.readline():
            if line.startswith(b"event: stdout"):
                return response
        raise AssertionError("no output")

    def pool_is_full(self):
        shape = self.call("GET", "/pool")["shapes"][0]
        return shape["ready"] >= shape["size"]

    def wait_for_pool(self):
        until(self.pool_is_full)


def until(check):
    end = time.monotonic() + 120
    while not check():
        assert time.monotonic() < end, "it did not come to that in time"
        time.sleep(0.01)


def timed_ms(once):
    begin = time.perf_counter()
    once()
    return (time.perf_counter() - begin) * 1000


def spin_ms():
    """A fixed amount of Python work: its spread is the machine's noise."""
    return timed_ms(lambda: sum(range(1_000_000)))


def docker_run(image, *restrictions):
    """Until its first output, not until docker has tidied up."""
    process = subprocess.Popen(["docker", "run", "--rm", *restrictions, image, "echo", "here"], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"here\n"
    return process


def peer_ms(image, *restrictions):
    ended = []
    took = timed_ms(lambda: ended.append(docker_run(image, *restrictions)))
    ended[0].communicate()
    return took


def ours_ms(api, **request):
    """From the request for a sandbox to the first output of a command in it."""
    made = []

    def once():
        made.append(api.create(**request))
        made.append(api.first_output(made[0]))

    took = timed_ms(once)
    made[1].read()
    api.remove(made[0])
    return took


def p(samples, share):
    return sorted(samples)[min(len(samples) - 1, int(len(samples) * share))]


def starts(api, image, noise):
    warm, cold, plain, alike = [], [], [], []
    # Of what is taken from the pool the next one is started, which nothing else is to be measured beside.
    def alone(samples, once, *given, **more):
        api.wait_for_pool()
        samples.append(once(*given, **more))

    for number in range(WARM):
        alone(warm, ours_ms, api)
        if number % (WARM // COLD) == 0:
            # A shape that the pool doesn't keep.
            alone(cold, ours_ms, api, memory_mb=500)
            alone(plain, peer_ms, image)
            alone(alike, peer_ms, image, *RESTRICTED)
            noise.append(spin_ms())
    run = statistics.median(plain)
    row("sandbox ready: create to first output, p50", warm, "ms", f"{run:.0f} ms (docker run --rm)", statistics.median(warm) / run, "<= 10 ms")
    row("the same, p95", [p(warm, 0.95)], "ms", f"{p(plain, 0.95):.0f} ms", None, "<= 30 ms")
    row("sandbox to be started: create to first output, p50", cold, "ms", f"{run:.0f} ms", statistics.median(cold) / run, "<= 0.75 x")
    restricted = statistics.median(alike)
    row("the same, docker run as restricted", cold, "ms", f"{restricted:.0f} ms", statistics.median(cold) / restricted, "")


def execs(api):
    sandbox = api.create()
    api.call("POST", f"/sessions/{sandbox}/exec", {"command": "head -c 150M /dev/zero > /workspace/large"})

    def once():
        assert api.call("POST", f"/sessions/{sandbox}/exec", {"command": ["true"]})["exit_code"] == 0

    alone = [timed_ms(once) for _ in range(EXECS)]
    stop, megabytes, other = threading.Event(), [], api.again()

    def download():
        while not stop.is_set():
            response = other.ask("GET", f"/sessions/{sandbox}/files/content?path=/workspace/large")
            size, begin = 0, time.perf_counter()
            while piece := response.read(1 << 20):
                size += len(piece)
            megabytes.append(size / 1e6 / (time.perf_counter() - begin))

    reader = threading.Thread(target=download)
    reader.start()
    beside = [timed_ms(once) for _ in range(EXECS)]
    stop.set()
    reader.join()
    api.remove(sandbox)
    row("exec of `true` in a sandbox, over HTTP, p50", alone, "ms", "", None, "<= 5 ms")
    row("the same while a file is downloaded, p50", beside, "ms", "", None, "<= 10 ms")
    row("that download", megabytes, "MB/s", "", None, ">= 100 MB/s")


def output(api, image):
    sandbox = api.create()
    ours, raw = [], []
    for _ in range(TURNS):
        begin, size = time.perf_counter(), 0
        command = {"command": WRITES}
        response = api.ask("POST", f"/sessions/{sandbox}/exec", command, Accept="text/event-stream")
        while piece := response.read(1 << 16):
            size += len(piece)
        assert size >= OUTPUT, size
        ours.append(OUTPUT / 1e6 / (time.perf_counter() - begin))
        raw.append(raw_output(image))
    api.remove(sandbox)
    row("50 MB of output, as a stream of events", ours, "MB/s", f"{statistics.median(raw):.0f} MB/s (attached stdio)",
        statistics.median(ours) / statistics.median(raw), ">= 0.7 x")


def raw_output(image):
    """Of a container without a log, from its first byte."""
    arguments = ["docker", "run", "--rm", "--log-driver=none", *RESTRICTED, image, *WRITES]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE)
    size = len(process.stdout.read(1))
    begin = time.perf_counter()
    while piece := process.stdout.read(1 << 16):
        size += len(piece)
    assert size == OUTPUT, size
    took = time.perf_counter() - begin
    process.wait()
    return OUTPUT / 1e6 / took


def at_once(api):
    for count in AT_ONCE:
        api.wait_for_pool()
        connections = [api.again() for _ in range(count)]
        with concurrent.futures.ThreadPoolExecutor(count) as threads:
            begin = time.perf_counter()
            took = list(threads.map(ours_ms, connections))
            whole = time.perf_counter() - begin
        row(f"{count} at once: create to first output, p50 (the slowest {max(took):.0f} ms)", took, "ms",
            "", None, f"none fails; all done in {whole:.1f} s")


def idle(api, image):
    """Memory of a sandbox that waits, in proportion of what it shares with others."""
    sandbox = api.create(memory_mb=500)
    container = f"sandbox-session-{sandbox}"
    listed = subprocess.run(["docker", "top", container, "-eo", "pid"], check=True, capture_output=True, text=True)
    pids = [int(line) for line in listed.stdout.split()[1:]]
    mine = sum(pss_kb(pid) for pid in pids)
    parent = int(pathlib.Path(f"/proc/{min(pids)}/stat").read_text().rpartition(")")[2].split()[1])
    shim = pss_kb(parent)
    api.remove(sandbox)
    row("an idle sandbox (and its shim of the engine)", [(mine + shim) / 1e3], "MB", f"{mine / 1e3:.1f} MB is ours", None, "<= 6 MB")


def pss_kb(pid):
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))


def client(api, address, token):
    """E2B's own client, and the same calls without it."""
    os.environ |= {"E2B_API_KEY": token, "E2B_API_URL": f"http://{address}", "E2B_SANDBOX_URL": f"http://{address}"}
    from e2b import Sandbox

    whole, ours = [], []
    for _ in range(CLIENTS):
        api.wait_for_pool()
        made = []

        def once():
            made.append(Sandbox.create())
            made[0].commands.run("true")

        whole.append(timed_ms(once))
        made[0].kill()
        api.wait_for_pool()
        ours.append(ours_ms(api))
    ours_p50 = statistics.median(ours)
    row("E2B's Python client: Sandbox.create() + commands.run('true'), p50", whole, "ms", f"{ours_p50:.1f} ms without the client", None, "<= 15 ms ours")


def row(what, samples, unit, peer, ratio, aim):
    told = "" if ratio is None else f"{ratio:.3f} x"
    print(f"| {what} | {statistics.median(samples):.1f} {unit} | {peer} | {told} | {aim} |", flush=True)


def main():
    options = arguments("vivarium", "image", "home", "instance")
    folder = pathlib.Path(options.home, "config/instances", options.instance)
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "settings.toml"
    kept = settings.read_text() if settings.exists() else ""
    settings.write_text(f'{kept}\n[sandboxes]\nimage = "{options.image}"\npool = {POOL}\n')
    run = [options.vivarium, "--json"]
    token = subprocess.run([options.vivarium, "token", "create", "bench", "--scope", "exec"], check=True, capture_output=True, text=True).stdout.strip()
    server = subprocess.Popen([*run, "serve", "--port", "0"], stdout=subprocess.PIPE, text=True)
    try:
        address = json.loads(server.stdout.readline())["address"]
        api = Api(address, token)
        noise = [spin_ms()]
        print("| sandboxes | ours | peer | ratio | aim |\n|---|---|---|---|---|")
        for measure in (lambda: starts(api, options.image, noise), lambda: execs(api), lambda: output(api, options.image),
                        lambda: at_once(api), lambda: idle(api, options.image), lambda: client(api, address, token)):
            measure()
            noise.append(spin_ms())
        spread = (max(noise) - min(noise)) / statistics.median(noise)
        print(f"\nMachine noise: the same Python loop took {min(noise):.1f} to {max(noise):.1f} ms ({spread:.0%} spread); "
              f"{os.cpu_count()} cores; {WARM} warm, {COLD} cold starts of each in turns, {EXECS} commands, {CLIENTS} times E2B's client.")
    finally:
        server.terminate()
        server.wait()
        settings.write_text(kept)
        subprocess.run([options.vivarium, "token", "rm", "bench"], check=True, capture_output=True)


main()
