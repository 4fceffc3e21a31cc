"""Measures the window: from the start of its process to the first picture that is not one colour.

The display is read from outside, so that nothing in the app has to be believed.
"""

import argparse
import os
import signal
import statistics
import subprocess
import tempfile
import time

STARTS = 5


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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--app", required=True)
    options = parser.parse_args()
    display = os.environ["DISPLAY"]
    # The first start reads the binary and WebKit from the disk.
    cold = first_paint_ms(options.app, display)
    warm = [first_paint_ms(options.app, display) for _ in range(STARTS)]
    size = os.path.getsize(options.app)
    print(f"| window: first paint, median of {STARTS} | {statistics.median(warm):.0f} ms |  |  | <= 1000 ms |")
    print(f"| window: first paint, first start | {cold:.0f} ms |  |  |  |")
    print(f"| app, binary | {size / 1e6:.1f} MB |  |  | <= 15 MB |")


main()
