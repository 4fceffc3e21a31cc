"""What a program that measures is told on its command line."""

import argparse


def arguments(*names):
    """Options of these names, all of which must be given; with a token file also the token in it."""
    parser = argparse.ArgumentParser()
    for name in names:
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args()
    if "token-file" in names:
        with open(given.token_file) as file:
            given.token = file.read().strip()
    return given
