#!/usr/bin/env bash
# All the set-up, then every test.
#
#   ./scripts/test.sh          everything: needs a container engine (starts one on Debian and Ubuntu)
#   ./scripts/test.sh --fast   leaves out what needs an engine or a window, and says what it left out
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib/packages.sh
. scripts/lib/packages.sh
# shellcheck source=scripts/lib/engine.sh
. scripts/lib/engine.sh
# shellcheck source=scripts/lib/build.sh
. scripts/lib/build.sh

fast=0
for argument in "$@"; do
  case $argument in
    --fast) fast=1 ;;
    *)
      printf 'test.sh knows --fast, not %s.\n' "$argument" >&2
      exit 2
      ;;
  esac
done
step() { printf '\n══ %s (%s s)\n' "$1" "$SECONDS"; }

instance="vtest-$$"
tidy() {
  local code=$?
  if [ "$fast" -eq 0 ] && docker info >/dev/null 2>&1; then
    # Whatever a test of this run left, by its label; a leak is a failure.
    local left
    left=$(docker ps -aq --filter "label=vivarium.instance" | while read -r id; do
      docker inspect -f '{{index .Config.Labels "vivarium.instance"}} {{.Id}}' "$id"
    done | awk -v prefix="$instance" 'index($1, prefix) == 1 {print $2}')
    if [ -n "$left" ]; then
      printf 'Containers that a test left behind: %s\n' "$left" >&2
      # shellcheck disable=SC2086
      docker rm -f $left >/dev/null
      code=1
    fi
    docker image rm -f "$instance-os" >/dev/null 2>&1 || true
  fi
  stop_engine_if_started
  rm -f "$said"
  exit "$code"
}
trap tidy EXIT
said=$(mktemp)

step 'set-up'
need_tools
need_window_packages
[ "$(uname -s)" != Linux ] || need_packages python3 python3-venv
if [ "$fast" -eq 0 ]; then
  need_packages xvfb xauth webkit2gtk-driver dbus chromium imagemagick iproute2
  # Engines are also reached through ssh. Only where its installation starts no service, as in
  # most containers: a test must not open anybody's computer.
  [ ! -x /usr/sbin/policy-rc.d ] || need_packages openssh-server openssh-client openssl
  ensure_engine
  ensure_base
fi

step 'formatting, rooms, the UI, lints'
./scripts/check.sh
step 'the wire types are current'
cargo test --quiet --locked --package wire --features ts
step 'body'
build_body
cargo test --quiet --locked --package body --target-dir target/body
step 'MCP: real clients'
./tests/mcp/run.sh
step 'crates'
cargo test --quiet --locked --workspace --exclude body --exclude e2e
step 'the Python worker'
./body/kernel/tests/run.sh

if [ "$fast" -eq 1 ]; then
  printf '\nLeft out by --fast: the image, its build from a clone, crates/lifecycle/tests/engine.rs, crates/body-evolve/tests/engine.rs, and the end-to-end tests with the engine (tests/headless.rs, tests/mcp_servers.rs, tests/evolve.rs, tests/compose.rs, tests/documents.rs, tests/openapi) and with the window (tests/window.rs) and in a browser (ui/browser), and the package (scripts/package-test.sh).\n'
  exit 0
fi

step 'the image'
offer_build_ca
cargo build --quiet --locked --package cli --package vivarium-desktop
export VIVARIUM_TEMPLATE="$PWD" VIVARIUM_TEST_INSTANCE="$instance"
home=$(mktemp -d)
target/debug/vivarium --instance "$instance" --home "$home" build
rm -rf "$home"
step 'the image by docker build, from a clone'
./scripts/clone-build.sh
step 'end to end: builds and containers'
VIVARIUM_TEST_ENGINE=1 cargo test --quiet --locked --package lifecycle --test engine
VIVARIUM_TEST_ENGINE=1 cargo test --quiet --locked --package cli --test engines
step 'end to end: a machine that replaces itself'
VIVARIUM_TEST_ENGINE=1 cargo test --quiet --locked --package body-evolve --test engine -- --test-threads=2
step 'end to end: the machine'
cargo test --locked --package e2e --features engine --test headless --test mcp_servers --test evolve --test compose --test documents -- --test-threads=1
step 'end to end: requests made from the OpenAPI document'
./tests/openapi/run.sh
step 'end to end: the window'
xvfb-run -a -s '-screen 0 1400x900x24 -noreset' cargo test --locked --package e2e --features window --test window -- --test-threads=1
step 'end to end: the pages in a browser'
(cd ui && npm run --silent test:browser)
step 'end to end: the package on a fresh Debian'
if ! VIVARIUM_PROFILE=dev ./scripts/package.sh >"$said" 2>&1 || ! ./scripts/package-test.sh 2>"$said"; then
  tail -n 40 "$said" >&2
  exit 1
fi
step 'done'
