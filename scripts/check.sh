#!/usr/bin/env bash
# What needs neither an engine nor a display: formatting, the rooms' check, the UI's own checks, lints, documentation.
set -euo pipefail
exec "$(dirname "$0")/test.sh" --only format --only rooms --only ui --only clippy --only documentation "$@"
