#!/usr/bin/env bash
# What needs no engine: formatting, the rooms' check, lints, documentation.
set -euo pipefail
cd "$(dirname "$0")/.."
step() { printf '\n── %s\n' "$1"; }

step 'format'
cargo fmt --all --check
step 'rooms'
./scripts/rooms.sh
step 'clippy'
cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
step 'documentation'
RUSTDOCFLAGS='-D warnings' cargo doc --quiet --locked --workspace --no-deps --document-private-items
