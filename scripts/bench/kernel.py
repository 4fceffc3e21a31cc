"""Measures a machine against its peers in one run, and prints one table.

Usage: kernel.py --kernel http://127.0.0.1:PORT --vnc HOST:PORT --token-file F --container NAME --image TAG
"""

import http.client
import json
import os
import socket
import statistics
import subprocess
import time
from urllib.parse import urlsplit

from jupyter_client.manager import start_new_kernel

from arguments import arguments

# Cells one after another, ours and the peer's in turns of so many.
TURN = 25
TURNS = 12
# Cells of which each comes after other work, when neither finds the processor's caches warm.
LONE = 100
STARTS = 7


def percentiles(samples_ms):
    """p50 and p95 of a list of milliseconds."""
    ordered = sorted(samples_ms)
    return statistics.median(ordered), ordered[int(len(ordered) * 0.95)]


def spin_ms():
    """A fixed amount of Python work: its spread is the machine's noise."""
    begin = time.perf_counter()
    total = 0
    for number in range(200_000):
        total += number
    return (time.perf_counter() - begin) * 1000


def timed_ms(once):
    """Milliseconds that a call takes."""
    begin = time.perf_counter()
    once()
    return (time.perf_counter() - begin) * 1000


def exec_once(connection, token, code):
    connection.request("POST", "/exec", json.dumps({"code": code}), {"Authorization": f"Bearer {token}"})
    answer = json.loads(connection.getresponse().read())
    assert answer["status"] == "completed" and answer["result"] == "2", answer


def jupyter_once(client):
    message_id = client.execute("1+1")
    idle = reply = False
    while not (idle and reply):
        if not reply:
            reply = client.get_shell_msg(timeout=10)["parent_header"].get("msg_id") == message_id
        message = client.get_iopub_msg(timeout=10)
        if message["parent_header"].get("msg_id") == message_id and message["header"]["msg_type"] == "status":
            idle = message["content"]["execution_state"] == "idle"


def docker_start(container):
    """The engine's start call over its socket, without a CLI in the way."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://"))
    connection.request("POST", f"/containers/{container}/start")
    status = connection.getresponse().status
    assert status in (204, 304), status


def rfb_answers(address):
    host, port = address.rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), timeout=1) as stream:
            stream.settimeout(1)
            return stream.recv(4) == b"RFB "
    except OSError:
        return False


def ping_ok(kernel):
    try:
        connection = http.client.HTTPConnection(kernel.hostname, kernel.port, timeout=1)
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False


def start_times(container, kernel, vnc):
    subprocess.run(["docker", "stop", container], check=True, stdout=subprocess.DEVNULL)
    begin = time.perf_counter()
    docker_start(container)
    desktop = ready = None
    while desktop is None or ready is None:
        if desktop is None and rfb_answers(vnc):
            desktop = (time.perf_counter() - begin) * 1000
        if ready is None and ping_ok(kernel):
            ready = (time.perf_counter() - begin) * 1000
        assert time.perf_counter() - begin < 30, "the machine did not come up within 30 s"
        time.sleep(0.005)
    return desktop, ready


def main():
    options = arguments("kernel", "vnc", "token-file", "container", "image")
    kernel = urlsplit(options.kernel)
    token = options.token

    manager, client = start_new_kernel(kernel_name="python3")
    connection = http.client.HTTPConnection(kernel.hostname, kernel.port)
    try:
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        def ours_once():
            exec_once(connection, token, "1+1")

        def peer_once():
            jupyter_once(client)

        for _ in range(2 * TURN):
            ours_once(), peer_once()
        ours, peer, noise = [], [], []
        for _ in range(TURNS):
            for once, times in ((ours_once, ours), (peer_once, peer)):
                times += [timed_ms(once) for _ in range(TURN)]
            noise += [spin_ms() for _ in range(5)]
        lone_ours, lone_peer = [], []
        for _ in range(LONE):
            for once, times in ((ours_once, lone_ours), (peer_once, lone_peer)):
                spin_ms()
                times.append(timed_ms(once))
    finally:
        connection.close()
        client.stop_channels()
        manager.shutdown_kernel(now=True)

    starts = [start_times(options.container, kernel, options.vnc) for _ in range(STARTS)]
    size = int(subprocess.run(["docker", "image", "inspect", "-f", "{{.Size}}", options.image],
                              check=True, capture_output=True, text=True).stdout)

    ours_p50, ours_p95 = percentiles(ours)
    peer_p50, peer_p95 = percentiles(peer)
    (lone_ours_p50, _), (lone_peer_p50, _) = percentiles(lone_ours), percentiles(lone_peer)
    rows = [
        ("POST /exec of 1+1, p50", f"{ours_p50:.2f} ms", f"{peer_p50:.2f} ms (jupyter_client, ipykernel)",
         f"{ours_p50 / peer_p50:.2f} x", "<= 0.20 x"),
        ("POST /exec of 1+1, p95", f"{ours_p95:.2f} ms", f"{peer_p95:.2f} ms", f"{ours_p95 / peer_p95:.2f} x", ""),
        ("the same, after other work, p50", f"{lone_ours_p50:.2f} ms", f"{lone_peer_p50:.2f} ms",
         f"{lone_ours_p50 / lone_peer_p50:.2f} x", ""),
        ("start call to RFB, median", f"{statistics.median(s[0] for s in starts):.0f} ms", "", "", "<= 600 ms"),
        ("start call to /ping ok, median", f"{statistics.median(s[1] for s in starts):.0f} ms", "", "", "<= 1200 ms"),
        ("image", f"{size / 1e9:.2f} GB", "", "", "<= 1.5 GB"),
    ]
    print("| what | ours | peer | ratio | aim |\n|---|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    spread = (max(noise) - min(noise)) / statistics.median(noise)
    print(f"\nMachine noise: the same Python loop took {min(noise):.1f} to {max(noise):.1f} ms ({spread:.0%} spread); "
          f"{os.cpu_count()} cores; {TURN * TURNS} cells, {STARTS} starts.")


main()
