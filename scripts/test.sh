#!/usr/bin/env bash
# All the set-up, then every test, as many at once as this computer can run.
#
#   ./scripts/test.sh                     everything: needs a container engine (starts one on Debian and Ubuntu)
#   ./scripts/test.sh --fast              leaves out what needs an engine or a window, and says what it left out
#   ./scripts/test.sh --full              more repetitions: 50 evolves, 200 kills, every power cut
#   ./scripts/test.sh --only STEP[:PART]  one step, or its tests whose names contain PART, with what it needs
#   ./scripts/test.sh --list              the steps' names
#
# How long everything took is printed at the end and written to target/test-times.json; the log of
# each test is in target/test-logs.
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
    --list | -h | --help)
      sed -n '2,12s/^# \{0,1\}//p' "$0"
      [ "$argument" != --list ] || PYTHONPATH=scripts python3 -m testing --root . --list
      exit 0
      ;;
  esac
done
instance="vtest-$$"
runner=
tidy() {
  local code=$?
  trap - EXIT INT TERM
  if [ -n "$runner" ] && kill -0 "$runner" 2>/dev/null; then
    kill -TERM "$runner" 2>/dev/null || true
    wait "$runner" || true
  fi
  if [ "$fast" -eq 0 ] && docker info >/dev/null 2>&1; then
    # Whatever a test of this run left, by its label or its name; a leak is a failure.
    local left
    left=$({
      docker ps -a --format '{{.Names}} {{.ID}}'
      docker ps -a --filter label=vivarium.instance --format '{{.Label "vivarium.instance"}} {{.ID}}'
    } | awk -v run="$instance" '$1 == run || index($1, run "-") == 1 {print $2}' | sort -u)
    if [ -n "$left" ]; then
      # shellcheck disable=SC2086
      [ "$code" -eq 130 ] || [ "$code" -eq 143 ] || { printf 'Containers that a test left behind:\n' && docker inspect --format '  {{.Name}} {{.Config.Image}} {{.State.Status}} since {{.Created}} {{json .Config.Labels}}' $left; } >&2
      # shellcheck disable=SC2086
      docker rm -f -v $left >/dev/null
      [ "$code" -ne 0 ] || code=1
    fi
    rm -f "${TMPDIR:-/tmp}/$instance-"*.lock
    # Images that tests of this run share, and what a run that was stopped left.
    docker image ls --format '{{.Repository}}:{{.Tag}}' | awk -v prefix="$instance-" 'index($1, prefix) == 1' | xargs -r docker image rm -f >/dev/null 2>&1 || true
    for kind in network volume; do
      docker "$kind" ls --format '{{.Name}}' | awk -v prefix="$instance-" 'index($1, prefix) == 1' | xargs -r docker "$kind" rm >/dev/null 2>&1 || true
    done
  fi
  stop_engine_if_started
  exit "$code"
}
trap tidy EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

printf 'Set-up\n'
need_tools
[ "$(uname -s)" != Linux ] || need_packages python3 python3-venv
# A part that needs no engine starts none.
engine=$(PYTHONPATH=scripts PYTHONDONTWRITEBYTECODE=1 python3 -m testing --root . --needs-engine "$@")
[ "$engine" = yes ] || fast=1
set_up() {
  need_window_packages
  if [ "$fast" -eq 0 ]; then
    need_packages xvfb xauth webkit2gtk-driver dbus chromium imagemagick iproute2
    # Engines are also reached through ssh. Only where its installation starts no service, as in
    # most containers: a test must not open anybody's computer.
    [ ! -x /usr/sbin/policy-rc.d ] || need_packages openssh-server openssh-client openssl
    ensure_engine
  fi
  restore_dependencies
}
set_up
# In the background, so that a signal to this script is heard while it runs.
PYTHONPATH=scripts PYTHONDONTWRITEBYTECODE=1 python3 -m testing --root . --instance "$instance" --setup-seconds "$SECONDS" "$@" &
runner=$!
code=0
wait "$runner" || code=$?
runner=
# For the next clone; a run that is stopped here has lost nothing else.
printf 'Keeping compiled dependencies for the next clone\n'
save_dependencies
exit "$code"
