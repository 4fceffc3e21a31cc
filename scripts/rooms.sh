#!/usr/bin/env bash
# The rooms' check: each crate's direct dependencies against the "never" column
# of ARCHITECTURE.md. Fails naming the crate and what it must not use.
set -euo pipefail
cd "$(dirname "$0")/.."
failed=0

# crate, then an extended regex of direct dependencies it must never have.
never() {
  local crate=$1 forbidden=$2 found
  found=$(cargo tree --quiet --locked --package "$crate" --depth 1 --edges normal,build --prefix none --all-features |
    tail -n +2 | awk '{print $1}' | grep -xE "$forbidden" | sort -u || true)
  if [ -n "$found" ]; then
    printf 'rooms: %s must never use: %s\n' "$crate" "$(tr '\n' ' ' <<<"$found")" >&2
    failed=1
  fi
}

never wire 'tokio|axum|bollard|tauri'
never dock 'tauri|axum|lifecycle|engine|body|cli'
never lifecycle 'tauri|axum|bollard|engine|body|cli'
never engine 'tauri|bollard|body|cli'
never cli 'tauri|bollard|dock|lifecycle|body'
never body 'tauri|engine|bollard|dock|lifecycle|cli'
if grep -q '^name = "vivarium-desktop"' Cargo.toml; then
  never vivarium-desktop 'bollard|body|dock|lifecycle|cli'
fi

# Only ui/src/host may know Tauri.
if [ -d ui/src ]; then
  found=$(grep -rlE "from ['\"]@tauri-apps" ui/src --include='*.ts' --include='*.svelte' | grep -v '^ui/src/host/' || true)
  if [ -n "$found" ]; then
    printf 'rooms: only ui/src/host may import @tauri-apps: %s\n' "$found" >&2
    failed=1
  fi
  # One feature never imports another.
  for feature in ui/src/features/*/; do
    name=$(basename "$feature")
    found=$(grep -rnE "from ['\"].*features/" "$feature" | grep -vE "features/$name(/|['\"])" || true)
    found+=$(grep -rnE "from ['\"]\.\./\.\./features/|from ['\"]\.\./[a-z]+/" "$feature" | grep -vE "from ['\"]\.\./\.\./(shared|host|wire|app)" || true)
    if [ -n "$found" ]; then
      printf 'rooms: a feature imports another: %s\n' "$found" >&2
      failed=1
    fi
  done
fi
exit "$failed"
