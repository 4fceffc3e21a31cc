#!/usr/bin/env bash
# Real clients against `vivarium serve`: E2B's Python SDK (new, and as old as OpenAI Agents pins it), its
# TypeScript SDK, and a client written after the old sandbox manager's routes. Needs an engine, the
# command line, sandbox-init, python3 with venv, node and npm. The image is built if it isn't named.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
vivarium=${VIVARIUM_CLI:-$root/target/debug/vivarium}
instance=${VIVARIUM_TEST_INSTANCE:-vtest-$$}-clients
image=${VIVARIUM_SANDBOX_IMAGE:-}
if [ -z "$image" ]; then
  image=$instance-sandbox
  DOCKER_BUILDKIT=0 docker build --quiet --tag "$image" --file docker/sandbox/Dockerfile . >/dev/null
fi
work=$(mktemp -d)
export VIVARIUM_INSTANCE=$instance VIVARIUM_HOME=$work/home VIVARIUM_TEMPLATE=$root
mkdir -p "$work/home/config/instances/$instance"
cat >"$work/home/config/instances/$instance/settings.toml" <<TOML
[sandboxes]
image = "$image"
TOML

servers=()
tidy() {
  local code=$? pid
  for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${servers[@]}"; do wait "$pid" 2>/dev/null || true; done
  if [ "$code" -ne 0 ]; then cat "$work"/*.log >&2 || true; fi
  "$vivarium" sandbox ls --all --json 2>/dev/null | grep -o '"sandbox_id":"[^"]*"' | cut -d'"' -f4 | xargs -r "$vivarium" sandbox rm >/dev/null 2>&1 || true
  # Those that waited in the pool of a server that was ended are in no list.
  docker ps -aq --filter "label=vivarium.instance=$instance" | xargs -r docker rm -f >/dev/null 2>&1 || true
  rm -rf "$work"
  exit "$code"
}
trap tidy EXIT

# serve NAME ARGUMENT…: starts a server, and sets url and token.
serve() {
  local name=$1 started=$SECONDS said=
  shift
  "$vivarium" --json serve --port 0 "$@" >"$work/$name.json" 2>"$work/$name.log" &
  servers+=($!)
  until said=$(head -n 1 "$work/$name.json") && [ -n "$said" ]; do
    if [ $((SECONDS - started)) -ge 60 ] || ! kill -0 "${servers[-1]}" 2>/dev/null; then
      printf 'vivarium serve did not start\n' >&2
      return 1
    fi
    sleep 0.1
  done
  url=http://$(python3 -c 'import json, sys; print(json.loads(sys.argv[1])["address"])' "$said")
}

# Writes down how long each test took, if VIVARIUM_TEST_TIMES names a file.
timed=$root/scripts/testing/timed.py
reporters=(--test-reporter=dot --test-reporter-destination=stdout)
[ -z "${VIVARIUM_TEST_TIMES:-}" ] || reporters+=("--test-reporter=$root/scripts/testing/times.mjs" "--test-reporter-destination=$VIVARIUM_TEST_TIMES.node")
export PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=ignore NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
cd tests/sandbox_clients
for age in old new; do
  venv=$root/target/venv-sandbox-$age
  if [ ! -x "$venv/bin/python" ] || [ "requirements-$age.txt" -nt "$venv/.made" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "requirements-$age.txt"
    touch "$venv/.made"
  fi
done
if [ ! -d node_modules ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --silent --no-audit --no-fund
fi

# The three variables, and nothing else.
token=$("$vivarium" token create clients --scope exec 2>/dev/null)
serve with-tokens
export E2B_API_KEY=$token E2B_API_URL=$url E2B_SANDBOX_URL=$url
for age in old new; do
  "$root/target/venv-sandbox-$age/bin/python" "$timed" e2b_python.py --quiet
done
node --test "${reporters[@]}" e2b_typescript.mjs
[ ! -f "${VIVARIUM_TEST_TIMES:-}.node" ] || cat "$VIVARIUM_TEST_TIMES.node" >>"$VIVARIUM_TEST_TIMES"
kill "${servers[-1]}"
wait "${servers[-1]}" || true

serve without-tokens --no-token
SANDBOX_MANAGER_URL=$url python3 "$timed" old_manager.py --quiet
