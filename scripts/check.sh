#!/usr/bin/env bash
# What needs neither an engine nor a window: formatting, lints, rooms, docs, generated types, the UI's own checks.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib/build.sh
. scripts/lib/build.sh
step() { printf '\n── %s\n' "$1"; }

step 'format'
cargo fmt --all --check
step 'rooms'
./scripts/rooms.sh
step 'web part: install, build'
build_ui
step 'web part: types'
(cd ui && npm run --silent check)
step 'web part: tests'
(cd ui && npm run --silent test)
step 'clippy'
cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
