"""Runs in a machine: more in /repo than a host should read. `deep`, `huge`, or `remove`."""

import os
import shutil
import sys

DEPTH = 3000
FOLDER = "/repo/deep"
HUGE = "/repo/huge"


def make_deep():
    """A folder in a folder, again and again: far below what any path can say."""
    os.mkdir(FOLDER)
    at = os.open(FOLDER, os.O_RDONLY)
    for _ in range(DEPTH):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)


def make_huge():
    """A terabyte, of which no block is on the disk."""
    with open(HUGE, "wb") as file:
        file.truncate(1 << 40)


def remove():
    if os.path.exists(HUGE):
        os.remove(HUGE)
    # From the outside in: what is below takes the place of what is above.
    while os.path.exists(f"{FOLDER}/d/d"):
        os.rename(f"{FOLDER}/d/d", "/repo/deep-below")
        shutil.rmtree(FOLDER)
        os.mkdir(FOLDER)
        os.rename("/repo/deep-below", f"{FOLDER}/d")
    shutil.rmtree(FOLDER, ignore_errors=True)


{"deep": make_deep, "huge": make_huge, "remove": remove}[sys.argv[1]]()
