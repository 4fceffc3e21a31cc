#!/usr/bin/env bash
# What needs neither an engine nor a display: formatting, the rooms' check, the UI's own checks, lints, documentation.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib/build.sh
. scripts/lib/build.sh
step() { printf '\n── %s\n' "$1"; }

step 'format'
cargo fmt --all --check
step 'rooms'
./scripts/rooms.sh
step 'the UI: build, types, lints, tests'
build_ui
(cd ui && npm run --silent check && npm run --silent lint && npm run --silent test -- --silent --reporter=dot)
step 'clippy'
cargo clippy --quiet --locked --workspace --all-targets --features e2e/bench,wire/ts -- -D warnings
step 'documentation'
RUSTDOCFLAGS='-D warnings' cargo doc --quiet --locked --workspace --no-deps --document-private-items
