#!/usr/bin/env bash
# Tests of the kernel worker, in environments that are made anew when their requirements change.
set -euo pipefail
cd "$(dirname "$0")/../../.."
mkdir -p target
packages() { "$1/bin/python" -c 'import site; print(site.getsitepackages()[0])'; }
# $1: an environment; $2: its requirements; $3: an environment whose packages it has, too
make() {
  local all
  all=$(cat body/kernel/requirements.txt "$2")
  if [ ! -f "$1/requirements.txt" ] || [ "$all" != "$(<"$1/requirements.txt")" ]; then
    rm -rf "$1"
    python3 -m venv "$1"
    [ -z "${3:-}" ] || packages "$3" >"$(packages "$1")/more.pth"
    "$1/bin/pip" install --quiet --disable-pip-version-check -r "$2"
    printf '%s\n' "$all" >"$1/requirements.txt"
  fi
}
venv="$PWD/target/venv-kernel"
make "$venv" body/kernel/requirements.txt
# ipykernel is in one of its own: the worker brings a package of that name for cells.
peer="$PWD/target/venv-nbclient"
make "$peer" body/kernel/tests/requirements-nbclient.txt "$venv"
export VIVARIUM_NBCLIENT_PYTHON="$peer/bin/python"
exec env PYTHONPATH=body/kernel "$venv/bin/python" scripts/testing/timed.py discover -s body/kernel/tests "$@"
