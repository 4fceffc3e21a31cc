#!/usr/bin/env bash
# Requests made from /openapi.json, right and wrong ones, against a machine of its own: none is
# answered with a 500, or with anything that the document does not say. Needs the image, an engine,
# python3 with venv. VIVARIUM_TEST_SEED makes other requests than those of the seed that is printed.
# What one kind of check would say of it is left out: that a cell which was deleted can still be
# fetched is promised, and that a folder which is not there is no 400 can't be said in a schema.
set -euo pipefail
cd "$(dirname "$0")/../.."
vivarium=${VIVARIUM_CLI:-target/debug/vivarium}
instance=${VIVARIUM_TEST_INSTANCE:-vtest-$$}-openapi
image=os
[ -z "${VIVARIUM_TEST_INSTANCE:-}" ] || image=$VIVARIUM_TEST_INSTANCE-os
seed=${VIVARIUM_TEST_SEED:-4}
work=$(mktemp -d)
export VIVARIUM_INSTANCE=$instance VIVARIUM_HOME=$work/home VIVARIUM_TEMPLATE=$PWD VIVARIUM_IMAGE=${VIVARIUM_IMAGE:-$image}
tidy() {
  local code=$?
  "$vivarium" rm --home-volume >/dev/null 2>&1 || true
  rm -rf "$work"
  exit "$code"
}
trap tidy EXIT

venv=$PWD/target/venv-openapi
if [ ! -x "$venv/bin/st" ] || [ tests/openapi/requirements.txt -nt "$venv/.made" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/openapi/requirements.txt
  touch "$venv/.made"
fi

"$vivarium" up --kernel-port 0 --mcp-port 0 --vnc-port 0 >/dev/null
container=$instance-os-host
port=$(docker port "$container" 8080/tcp | head -n 1)
url=http://127.0.0.1:${port##*:}
token=$(cat "$(find "$work" -name os_token)")

# Left out: /events, which has no end, and calls for sandboxes, which wait five seconds each for a host
# that isn't there.
# 503 is what a kernel that is just being restarted answers, and 507 a full disk; 500 is a fault.
cat >"$work/schemathesis.toml" <<'TOML'
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 503, 507]
TOML
printf 'schemathesis with seed %s\n' "$seed"
failed=0
(cd "$work" && SCHEMATHESIS_HOOKS=$OLDPWD/tests/openapi/hooks.py PYTHONDONTWRITEBYTECODE=1 NO_PROXY=127.0.0.1 \
  "$venv/bin/st" --config-file "$work/schemathesis.toml" run "$url/openapi.json" --header "Authorization: Bearer $token" \
  --exclude-path /events --exclude-name 'POST /sandbox/calls' --seed "$seed" --max-examples 15 --max-time 90 --request-timeout 150 --continue-on-failure \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,negative_data_rejection,unsupported_method,ignored_auth \
  --warnings off --no-color >"$work/said" 2>&1) || failed=$?
tail -n 6 "$work/said"
if [ "$failed" -ne 0 ]; then
  cat "$work/said" >&2
  exit 1
fi

# None of it cost the machine anything: no panic, and cells are taken.
if docker logs "$container" 2>&1 | grep -i -A 3 'panicked'; then
  printf 'A request made a part of the machine panic: seed %s\n' "$seed" >&2
  exit 1
fi
"$vivarium" exec '6 * 7' | grep -qx 42
