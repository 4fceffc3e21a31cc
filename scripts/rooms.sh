#!/usr/bin/env bash
# The rooms' check: each crate's direct dependencies against the "never" column
# of ARCHITECTURE.md. Fails naming the crate and what it must not use. The UI's rooms are
# checked by ui/eslint.config.js.
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
never containers 'tauri|axum|lifecycle|app|body|cli'
never machine-client 'tauri|axum|bollard|containers|lifecycle|app|body|cli'
never frames 'tokio|tauri|axum|bollard|hyper|reqwest|containers|lifecycle|app|body|cli'
never processes 'tokio|tauri|axum|bollard|hyper|reqwest|containers|lifecycle|app|body|cli'
never sandbox-init 'tokio|tauri|axum|bollard|hyper|reqwest|containers|lifecycle|app|body|cli'
never init-client 'tauri|axum|bollard|sandbox-init|processes|app|body|cli'
never agent-status 'tokio|tauri|axum|bollard|hyper|reqwest|containers|lifecycle|app|body|cli'
never sandbox 'tauri|axum|bollard|sandbox-init|processes|app|body|cli'
never agents 'tauri|axum|bollard|sandbox-init|processes|app|body|cli'
never tasks 'tauri|axum|bollard|containers|sandbox|lifecycle|app|body|cli'
never lifecycle 'tauri|axum|bollard|app|body|cli'
never app 'tauri|bollard|body|cli'
never body-evolve 'tauri|axum|bollard|app|body|cli'
never cli 'tauri|bollard|containers|lifecycle|body'
never body 'tauri|app|bollard|containers|lifecycle|cli'
never vivarium-desktop 'bollard|body|containers|lifecycle|cli'
exit "$failed"
