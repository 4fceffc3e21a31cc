#!/usr/bin/env bash
# One command: sets up what is missing, builds, and opens Vivarium.
#
#   ./scripts/run.sh              the window (without a display: as --headless)
#   ./scripts/run.sh --headless   no window: brings the machine up and prints its addresses
#
# Logs of the steps are in target/logs.
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
      sed -n '2,7s/^# \{0,1\}//p' "$0"
      exit 0
      ;;
    *)
      printf 'run.sh does not know %s. See run.sh --help.\n' "$argument" >&2
      exit 2
      ;;
  esac
done
if [ "$headless" -eq 0 ] && [ "$(uname -s)" = Linux ] && [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
  printf 'There is no display here: continuing without a window.\n'
  headless=1
fi

need_tools
[ "$(uname -s)" != Linux ] || need_packages build-essential pkg-config
[ "$headless" -eq 1 ] || need_window_packages
ensure_engine
offer_build_ca

# The base image and the image's heavy layers are made while cargo compiles.
image_process=
image_log=target/logs/image-layers.log
tidy() {
  local code=$?
  [ -z "$image_process" ] || kill "$image_process" 2>/dev/null || true
  # Vivarium's machines live in the engine that was started: it stays.
  exit "$code"
}
trap tidy EXIT
prepare_image() { ensure_base && build_layers; }
# What the layers are made of, as it was when they were made last.
layers_now=$({ cat body/Dockerfile body/kernel/requirements.txt body/mcp/*; find body/rootfs body/kernel/vivarium_kernel -type f -not -path "*/__pycache__/*" -exec cksum {} +; } | cksum)
layers_file=target/logs/image-layers.digest
mkdir -p target/logs
if ! docker image inspect os >/dev/null 2>&1 || [ "$(cat "$layers_file" 2>/dev/null)" != "$layers_now" ]; then
  printf 'Making the base image and the image layers in the background (log: %s)\n' "$image_log"
  prepare_image >"$image_log" 2>&1 &
  image_process=$!
fi
wait_for_image() {
  local process=$image_process line='' last=''
  # A child of this shell's parent: it can be looked at, not waited for.
  while kill -0 "$process" 2>/dev/null; do
    line=$(progress_line "$image_log" || true)
    [ "$line" = "$last" ] || printf '%s\n' "$line"
    last=$line
    sleep 2
  done
}

steps 6
step 'Restoring compiled dependencies' restore_dependencies
step "Compiling the machine's supervisor" build_body body
step 'Compiling the first process of sandboxes' build_sandbox_init
step 'Building the pages' build_ui
if [ "$headless" -eq 1 ]; then
  step 'Compiling Vivarium' build_command_line
else
  step 'Compiling Vivarium' cargo build --locked --release --package vivarium-desktop
fi
save_dependencies
if [ -n "$image_process" ]; then
  step 'Making the base image and the image layers' wait_for_image
  if wait "$image_process"; then
    printf '%s' "$layers_now" >"$layers_file"
  else
    # The app's own build says in its own words what is wrong.
    printf 'The image layers were not made ahead; see %s\n' "$image_log" >&2
  fi
  image_process=
else
  progress_number=$((progress_number + 1))
fi
trap - EXIT
export VIVARIUM_TEMPLATE="$PWD"
if [ "$headless" -eq 1 ]; then
  exec target/release/vivarium up
fi
exec target/release/vivarium-desktop
