#!/usr/bin/env bash
# Makes docs/images from the real window with a real machine.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib/packages.sh
. scripts/lib/packages.sh
# shellcheck source=scripts/lib/engine.sh
. scripts/lib/engine.sh
# shellcheck source=scripts/lib/build.sh
. scripts/lib/build.sh
need_tools
need_window_packages
need_packages xvfb xauth webkit2gtk-driver imagemagick
trap stop_engine_if_started EXIT
ensure_engine
offer_build_ca
steps 5
step 'Making the base image' ensure_base
step "Compiling the machine's supervisor" build_body body
step 'Building the pages' build_ui
step 'Compiling Vivarium' cargo build --locked --package cli --package vivarium-desktop
step 'Building the image' env VIVARIUM_TEMPLATE="$PWD" target/debug/vivarium build
xvfb-run -a -s '-screen 0 1400x900x24 -noreset' cargo run --quiet --locked --package e2e --features window --bin pictures
