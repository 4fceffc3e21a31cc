#!/usr/bin/env bash
# One command: sets up what is missing, builds, and opens Vivarium.
#
#   ./scripts/run.sh              the window (without a display: as --headless)
#   ./scripts/run.sh --headless   no window: brings the machine up and prints its addresses
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib/packages.sh
. scripts/lib/packages.sh
# shellcheck source=scripts/lib/engine.sh
. scripts/lib/engine.sh
# shellcheck source=scripts/lib/build.sh
. scripts/lib/build.sh

headless=0
for argument in "$@"; do
  case $argument in
    --headless) headless=1 ;;
    -h | --help)
      sed -n '2,5s/^# \{0,1\}//p' "$0"
      exit 0
      ;;
    *)
      printf 'run.sh does not know %s. See run.sh --help.\n' "$argument" >&2
      exit 2
      ;;
  esac
done
if [ "$headless" -eq 0 ] && [ "$(uname -s)" = Linux ] && [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
  printf 'There is no display here: going on without a window.\n'
  headless=1
fi
need_tools
[ "$(uname -s)" != Linux ] || need_packages build-essential pkg-config
ensure_engine
ensure_base
offer_build_ca
build_body
export VIVARIUM_TEMPLATE="$PWD"
if [ "$headless" -eq 1 ]; then
  cargo build --quiet --locked --release --package cli
  exec target/release/vivarium up
fi
need_window_packages
build_ui
cargo build --quiet --locked --release --package vivarium-desktop
exec target/release/vivarium-desktop
