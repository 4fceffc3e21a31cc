#!/usr/bin/env bash
# For development: the pages of this clone in a browser, with the real engine behind them. They are
# built again whenever a source changes; reload the browser to see it.
#
#   scripts/live-page.sh      prints the address; ends with Ctrl-C
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib/packages.sh
. scripts/lib/packages.sh
# shellcheck source=scripts/lib/build.sh
. scripts/lib/build.sh
need_tools
build_ui
cargo build --locked --package cli
(cd ui && exec node_modules/.bin/vite build --watch --logLevel warn) &
watching=$!
trap 'kill "$watching" 2>/dev/null || true' EXIT
# A debug build reads ui/dist again for each request.
VIVARIUM_TEMPLATE="$PWD" target/debug/vivarium serve --ui --port 0
