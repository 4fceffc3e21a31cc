#!/usr/bin/env bash
# Measures ours and the peer's in one run and prints a table. Needs nothing by hand.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib/packages.sh
. scripts/lib/packages.sh
# shellcheck source=scripts/lib/engine.sh
. scripts/lib/engine.sh
# shellcheck source=scripts/lib/build.sh
. scripts/lib/build.sh

instance="vbench-$$"
sandbox_image=$instance-sandbox
need_tools
need_window_packages
need_packages python3 python3-venv xvfb xauth x11-apps xdotool imagemagick webkit2gtk-driver
ensure_engine
offer_build_ca
steps 8
step 'Making the base image' ensure_base
step "Compiling the machine's binaries" build_body
step 'Building the pages' build_ui
# One by one: what the command line serves must not weigh on the window.
step 'Compiling the window' cargo build --locked --profile dist --package vivarium-desktop
step 'Compiling the command line' cargo build --locked --release --package cli
step 'Compiling the first process of sandboxes' build_sandbox_init
step 'Making the image of sandboxes' build_sandbox_image "$sandbox_image"
step 'Compiling the programs that measure' cargo build --locked --release --package e2e --features bench --bin bridge --bin in-use --bin mcp

venv=target/venv-bench
if [ ! -x "$venv/bin/python" ] || [ scripts/bench/requirements.txt -nt "$venv/.made" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r scripts/bench/requirements.txt
  touch "$venv/.made"
fi
# mcp-proxy wants an MCP of its own.
if [ ! -x "$venv-mcp/bin/mcp-proxy" ] || [ scripts/bench/requirements-mcp.txt -nt "$venv-mcp/.made" ]; then
  python3 -m venv "$venv-mcp"
  "$venv-mcp/bin/pip" install --quiet --disable-pip-version-check -r scripts/bench/requirements-mcp.txt
  touch "$venv-mcp/.made"
fi

home=$(mktemp -d)
export VIVARIUM_TEMPLATE="$PWD" VIVARIUM_INSTANCE="$instance" VIVARIUM_HOME="$home"
vivarium=target/release/vivarium
tidy() {
  local code=$?
  "$vivarium" rm --home-volume >/dev/null 2>&1 || true
  # Its generations too.
  docker images --format '{{.Repository}}:{{.Tag}}' "$instance-os" | xargs -r docker image rm -f >/dev/null 2>&1 || true
  docker image rm -f "$sandbox_image" >/dev/null 2>&1 || true
  rm -rf "$home"
  stop_engine_if_started
  exit "$code"
}
trap tidy EXIT
# Any free ports, chosen now and kept over restarts of the container.
read -r kernel mcp vnc < <(python3 -c '
import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
print(*[s.getsockname()[1] for s in held])')
"$vivarium" up --kernel-port "$kernel" --mcp-port "$mcp" --vnc-port "$vnc" >/dev/null
token=$(find "$home" -name os_token | head -n 1)
"$venv/bin/python" scripts/bench/kernel.py --kernel "http://127.0.0.1:$kernel" --vnc "127.0.0.1:$vnc" \
  --token-file "$token" --container "$instance-os-host" --image "$instance-os"
"$venv/bin/python" scripts/bench/body.py --kernel "http://127.0.0.1:$kernel" --token-file "$token" \
  --container "$instance-os-host"
"$venv/bin/python" scripts/bench/commands.py --vivarium "$vivarium"
"$venv/bin/python" scripts/bench/sandboxes.py --vivarium "$vivarium" --image "$sandbox_image" --home "$home" \
  --instance "$instance"
screen=(xvfb-run -a -s '-screen 0 1400x900x24 -noreset')
"${screen[@]}" "$venv/bin/python" scripts/bench/window.py --app target/dist/vivarium-desktop \
  --home "$home" --instance "$instance"
VIVARIUM_TEST_INSTANCE=$instance VIVARIUM_CLI=$vivarium VIVARIUM_DESKTOP=target/dist/vivarium-desktop \
  "${screen[@]}" target/release/in-use
# Last of what needs the machine: it is another one afterwards.
"$venv/bin/python" scripts/bench/evolve.py --vivarium "$vivarium" --kernel "http://127.0.0.1:$kernel" --token-file "$token"
# websockify between two ports of its own; the program serves the far one.
read -r near far < <(python3 -c '
import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*[s.getsockname()[1] for s in held])')
"$venv/bin/websockify" "127.0.0.1:$near" "127.0.0.1:$far" >/dev/null 2>&1 &
peer=$!
until (exec 3<>"/dev/tcp/127.0.0.1/$near") 2>/dev/null; do :; done
target/release/bridge --peer "ws://127.0.0.1:$near/" --peer-target "$far"
kill "$peer"
# The same for MCP: both relays in front of a server of the program's own.
body=$(uname -m)
target/release/mcp --body "body/bin/$body/body" --peer "$venv-mcp/bin/mcp-proxy" \
  --python "$PWD/$venv-mcp/bin/python"
