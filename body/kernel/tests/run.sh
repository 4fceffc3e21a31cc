#!/usr/bin/env bash
# Tests of the kernel worker, in an environment that is made anew when its requirements change.
set -euo pipefail
cd "$(dirname "$0")/../../.."
venv=target/venv-kernel
if ! cmp -s body/kernel/requirements.txt "$venv/requirements.txt"; then
  rm -rf "$venv"
  mkdir -p target
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r body/kernel/requirements.txt
  cp body/kernel/requirements.txt "$venv/requirements.txt"
fi
exec env PYTHONPATH=body/kernel "$venv/bin/python" scripts/testing/timed.py discover -s body/kernel/tests "$@"
