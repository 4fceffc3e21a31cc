#!/usr/bin/env bash
# One command: sets up what is missing, builds, brings the machine up and prints its addresses.
#
#   ./scripts/run.sh              the same as --headless, for as long as there is no window yet
#   ./scripts/run.sh --headless   brings the machine up and prints its addresses
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib/packages.sh
. scripts/lib/packages.sh
# shellcheck source=scripts/lib/engine.sh
. scripts/lib/engine.sh
# shellcheck source=scripts/lib/build.sh
. scripts/lib/build.sh

for argument in "$@"; do
  case $argument in
    --headless) ;;
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
need_tools
[ "$(uname -s)" != Linux ] || need_packages build-essential pkg-config
ensure_engine
ensure_base
offer_build_ca
build_body
export VIVARIUM_TEMPLATE="$PWD"
cargo build --quiet --locked --release --package cli
exec target/release/vivarium up
