"""Measures the window: from the start of its process to the first picture that is not one colour,
and what it costs at rest with the desktop open.

The display is read from outside, and keys come through it, so that nothing in the app has to be
believed and no driver adds work of its own.
"""

import os
import signal
import statistics
import subprocess
import tempfile
import time

from arguments import arguments

STARTS = 5
REST_S = 20
# Loading, the first pictures of the desktop and the engines' compilers are over by then.
SETTLED_S = 15


def colours(display):
    """Number of different words of pixels that a picture of the whole display has, sampled."""
    picture = subprocess.run(["xwd", "-silent", "-root", "-display", display], check=True, capture_output=True).stdout
    return len({picture[at : at + 4] for at in range(4096, len(picture) - 4, 4 * 37)})


def first_paint_ms(app, display):
    """Starts the app; milliseconds until the display shows text and icons."""
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "DISPLAY": display, "VIVARIUM_HOME": home, "XDG_DATA_HOME": home}
        begin = time.perf_counter()
        process = subprocess.Popen([app], env=environment, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            while colours(display) < 12:
                assert process.poll() is None, "the app ended"
                assert time.perf_counter() - begin < 30, "the window showed nothing within 30 s"
            return (time.perf_counter() - begin) * 1000
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def own_group(leader):
    """Ids of the processes of a group: the app and WebKit's."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and os.getpgid(int(entry)) == leader:
                found.append(entry)
        except OSError:
            pass  # it has just ended
    return found


def processor_s(pids):
    """Processor time so far."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as file:
            total += sum(int(field) for field in file.read().rsplit(")", 1)[1].split()[11:13])
    return total / os.sysconf("SC_CLK_TCK")


def pss_mb(pid):
    """Proportional share of memory."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:")) / 1000


def at_rest(app, display, home, instance):
    """Percent of a processor, and megabytes of each process, with a running machine's desktop open."""
    environment = {**os.environ, "DISPLAY": display, "VIVARIUM_HOME": home, "VIVARIUM_INSTANCE": instance}
    process = subprocess.Popen([app], env=environment, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        begin = time.perf_counter()
        while colours(display) < 12:
            assert time.perf_counter() - begin < 30, "the window showed nothing within 30 s"
        # All three pages, as somebody who works has had them.
        for page in ("1", "3", "2"):
            time.sleep(2)
            subprocess.run(["xdotool", "key", f"ctrl+{page}"], check=True, env=environment)
        time.sleep(SETTLED_S)
        pids = own_group(process.pid)
        before = processor_s(pids)
        time.sleep(REST_S)
        percent = (processor_s(pids) - before) / REST_S * 100
        names = [open(f"/proc/{pid}/comm").read().strip() for pid in pids]
        return percent, dict(zip(names, map(pss_mb, pids)))
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def main():
    options = arguments("app", "home", "instance")
    display = os.environ["DISPLAY"]
    # The first start reads the binary and WebKit from the disk.
    cold = first_paint_ms(options.app, display)
    warm = [first_paint_ms(options.app, display) for _ in range(STARTS)]
    size = os.path.getsize(options.app)
    print(f"| window: first paint, median of {STARTS} | {statistics.median(warm):.0f} ms |  |  | <= 1000 ms |")
    print(f"| window: first paint, first start | {cold:.0f} ms |  |  |  |")
    percent, parts = at_rest(options.app, display, options.home, options.instance)
    shares = ", ".join(f"{name} {mb:.0f}" for name, mb in parts.items())
    print(f"| window at rest, desktop open: processor | {percent:.1f} % |  |  | 0 % |")
    print(f"| window at rest, desktop open: memory (PSS) | {sum(parts.values()):.0f} MB ({shares}) |  |  | <= 300 MB |")
    print(f"| app, binary | {size / 1e6:.1f} MB |  |  | <= 15 MB |")


main()
