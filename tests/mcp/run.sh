#!/usr/bin/env bash
# Real clients against the relay: the official Python SDK 1.x and 2.x and the TypeScript SDK, with
# the reference server behind it; and a relay that is killed, whose clients go on with the next one. Needs python3 with venv, node and npm.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ -z "${VIVARIUM_BODY:-}" ]; then
  cargo build --quiet --locked --package body
  VIVARIUM_BODY=$PWD/target/debug/body
fi
# The SDK names its own old names as such.
export VIVARIUM_BODY PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=ignore::DeprecationWarning
# Writes down how long each test took, if VIVARIUM_TEST_TIMES names a file.
timed=$PWD/scripts/testing/timed.py
reporters=(--test-reporter=dot --test-reporter-destination=stdout)
[ -z "${VIVARIUM_TEST_TIMES:-}" ] || reporters+=("--test-reporter=$PWD/scripts/testing/times.mjs" "--test-reporter-destination=$VIVARIUM_TEST_TIMES.node")
cd tests/mcp
if [ ! -d node_modules ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --silent --no-audit --no-fund
fi
for major in 1 2; do
  venv=../../target/venv-mcp-$major
  if [ ! -x "$venv/bin/python" ] || [ "requirements-$major.txt" -nt "$venv/.made" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "requirements-$major.txt"
    touch "$venv/.made"
  fi
  "$venv/bin/python" "$timed" "v$major.py" --quiet
done
../../target/venv-mcp-1/bin/python "$timed" elsewhere.py --quiet
../../target/venv-mcp-1/bin/python "$timed" taken_up.py --quiet
../../target/venv-mcp-2/bin/python "$timed" killed.py --quiet
node --test "${reporters[@]}" typescript.mjs
[ ! -f "${VIVARIUM_TEST_TIMES:-}.node" ] || cat "$VIVARIUM_TEST_TIMES.node" >>"$VIVARIUM_TEST_TIMES"
