# shellcheck shell=bash
# The container engine and the base image: used where they are there, else set up on
# Debian and Ubuntu. Silent and quick when nothing is to do.

# shellcheck source=scripts/lib/progress.sh
. "$(dirname "${BASH_SOURCE[0]}")/progress.sh"

base_image=debian:trixie-slim
builder_image=rust:1.95-slim-trixie
engine_here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# The process that we started, empty where the engine was there before us. Not exported: a
# script that this one calls must not end it.
started_engine_pid=

engine_as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -- "$@"; fi
}

engine_answers() {
  command -v docker >/dev/null 2>&1 && docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

engine_missing() {
  cat >&2 <<'TEXT'
No container engine answers, and this script can start one only on Debian and Ubuntu, as root or through sudo.
What is missing is Docker 20.10 or newer, or Podman with its Docker-compatible socket:
  Linux    https://docs.docker.com/engine/install, or: systemctl --user start podman.socket
  macOS    Docker Desktop, OrbStack, or: brew install colima docker && colima start
  Windows  Docker Desktop with WSL 2
Then see that `docker version` shows a server. Set DOCKER_HOST where the engine is not at its usual place.
TEXT
}

# Says so where an engine runs that this user may not use.
engine_denied() {
  [ -S /var/run/docker.sock ] && [ ! -w /var/run/docker.sock ] || return 1
  printf 'The engine runs, but %s may not use it: sudo usermod -aG docker %s, then log in again.\n' "$(id -un)" "$(id -un)" >&2
}

# Installs what is missing and starts dockerd. Leaves a DOCKER_HOST that does not answer alone:
# whoever set it means another engine than ours.
ensure_engine() {
  engine_answers && return 0
  if [ -n "${DOCKER_HOST:-}" ]; then
    printf 'DOCKER_HOST is %s, but no engine answers there. Start it, or unset DOCKER_HOST.\n' "$DOCKER_HOST" >&2
    return 1
  fi
  ! engine_denied || return 1
  if ! command -v apt-get >/dev/null 2>&1 || { [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null 2>&1; }; then
    engine_missing
    return 1
  fi
  # A folder of its own: in a shared one, neither root nor another user could write our files.
  engine_work=$(mktemp -d "${TMPDIR:-/tmp}/vivarium-engine-XXXXXX")
  engine_log=$engine_work/log
  local PATH=$PATH:/usr/sbin:/sbin
  if ! command -v dockerd >/dev/null 2>&1 || ! command -v docker >/dev/null 2>&1 || ! command -v iptables >/dev/null 2>&1; then
    printf 'Installing docker.io and iptables\n'
    engine_as_root true
    if ! progress_watched 'Installing docker.io' "$engine_log" engine_install; then
      tail -n 20 "$engine_log" >&2
      printf 'Could not install docker.io. The whole log: %s\n' "$engine_log" >&2
      return 1
    fi
    # Where systemd runs, the package has started it.
    engine_answers && return 0
    ! engine_denied || return 1
  fi
  engine_start
}

engine_install() {
  engine_as_root apt-get update -qq &&
    engine_as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker.io iptables &&
    # Debian splits the client off from trixie on.
    { command -v docker || engine_as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker-cli; }
}

engine_start() {
  printf 'Starting dockerd\n'
  local pid_file started pid='' group
  pid_file=$engine_work/pid
  : >"$pid_file"
  # Its socket is for the group docker, where this user is in it; else for this user's own group.
  group=docker
  if [ "$(id -u)" -ne 0 ] && ! id -Gn | tr ' ' '\n' | grep -qx docker; then group=$(id -g); fi
  # Asked for a password here, if at all: a process in the background can't ask.
  engine_as_root true
  # A shell that becomes dockerd tells us its pid: through sudo, $! would be sudo's.
  # shellcheck disable=SC2016
  engine_as_root setsid sh -c 'echo $$ >"$1"; exec dockerd --group "$2"' sh "$pid_file" "$group" >"$engine_log" 2>&1 </dev/null &
  started=$SECONDS
  until engine_answers; do
    [ -n "$pid" ] || pid=$(cat "$pid_file")
    if [ $((SECONDS - started)) -ge 30 ] || { [ -n "$pid" ] && [ ! -d "/proc/$pid" ]; }; then
      tail -n 5 "$engine_log" >&2
      printf 'dockerd did not come up. The whole log: %s\n' "$engine_log" >&2
      started_engine_pid=$pid
      stop_engine_if_started
      return 1
    fi
    sleep 0.1
  done
  started_engine_pid=$(cat "$pid_file")
}

# Ends the dockerd that ensure_engine started, and no other.
stop_engine_if_started() {
  local pid=$started_engine_pid started=$SECONDS
  [ -n "$pid" ] || return 0
  started_engine_pid=
  engine_as_root kill -TERM "$pid" 2>/dev/null || return 0
  while engine_as_root kill -0 "$pid" 2>/dev/null && [ $((SECONDS - started)) -lt 20 ]; do sleep 0.1; done
}

# The image that ours is built from: there already, pulled, or made from Debian's packages.
ensure_base() {
  fetch_or_make "$base_image" make-debian.sh
}

# The image that compiles body within a build: there already, pulled, or made from this
# machine's toolchain.
ensure_builder() {
  fetch_or_make "$builder_image" make-rust.sh
}

# fetch_or_make IMAGE SCRIPT
fetch_or_make() {
  docker image inspect "$1" >/dev/null 2>&1 && return 0
  printf 'Fetching %s\n' "$1"
  timeout 300 docker pull --quiet "$1" >/dev/null 2>&1 && return 0
  printf 'No registry answers: making it here\n'
  "$engine_here/docker/base/$2" "$1"
}
