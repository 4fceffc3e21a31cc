#!/usr/bin/env bash
# The machine's static binaries for the tests, compiled in `docker build` from a clone's files, so that
# the image that is built from a clone has the same ones and nothing is compiled twice.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=scripts/lib/engine.sh
. scripts/lib/engine.sh
# shellcheck source=scripts/lib/build.sh
. scripts/lib/build.sh
# shellcheck source=scripts/lib/clone.sh
. scripts/lib/clone.sh

clone=$(mktemp -d) out=$(mktemp -d) container=''
tidy() {
  [ -z "$container" ] || docker rm -f "$container" >/dev/null 2>&1 || true
  rm -rf "$clone" "$out"
}
trap tidy EXIT
offer_build_ca
clone_into "$clone"
compile_clone "$clone" --build-arg DOCKER_CLI=1
container=$(docker create "$clone_builder" true)
arch=$(uname -m)
mkdir -p "body/bin/$arch"
docker cp "$container:/out/bin/." "$out"
for name in body body-evolve; do
  cmp -s "$out/$name" "body/bin/$arch/$name" || install -m 0755 "$out/$name" "body/bin/$arch/$name"
done
