#!/usr/bin/env bash
# What a person gets who clones the project and types `docker build`: the files that a clone
# has, the image built from them (body compiled in a stage of its own), started, and a cell.
#
#   scripts/clone-build.sh [ARGUMENT OF docker build…]     such as --build-arg DOCKER_CLI=1
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib/engine.sh
. scripts/lib/engine.sh
# shellcheck source=scripts/lib/build.sh
. scripts/lib/build.sh
# shellcheck source=scripts/lib/clone.sh
. scripts/lib/clone.sh

image="vivarium-clone-$$" container="vivarium-clone-$$"
clone=$(mktemp -d)
tidy() {
  docker rm -f "$container" >/dev/null 2>&1 || true
  docker image rm -f "$image" >/dev/null 2>&1 || true
  rm -rf "$clone"
  stop_engine_if_started
}
trap tidy EXIT

ensure_engine
ensure_base
offer_build_ca
ensure_builder
clone_into "$clone"

steps 3
step 'Compiling body from a clone' compile_clone "$clone" "$@"
step 'Building the image from a clone' docker build -t "$image" -f "$clone/body/Dockerfile" "$@" "$clone"
printf '[3/3] Running a cell in it\n'
docker run -d --name "$container" "$image" >/dev/null
inside() { docker exec "$container" "$@"; }
deadline=$((SECONDS + 240))
until inside curl -fsS http://127.0.0.1:8080/ping >/dev/null 2>&1; do
  if [ "$SECONDS" -ge "$deadline" ]; then
    docker logs "$container" >&2
    printf 'The machine does not answer after four minutes.\n' >&2
    exit 1
  fi
  sleep 0.2
done
# A machine that is given no token makes one and says it.
token=$(docker logs "$container" 2>&1 | sed -n 's/.*?token=//p')
answer=$(inside curl -fsS -H "Authorization: Bearer $token" --json '{"code":"6*7"}' http://127.0.0.1:8080/exec)
case $answer in
  *'"result":"42"'*) printf 'Built from a clone, and a cell ran in it.\n' ;;
  *)
    printf 'A cell of 6*7 answered %s\n' "$answer" >&2
    exit 1
    ;;
esac
