#!/usr/bin/env bash
# For development: compiles `body` as it is in this clone (a debug build) and puts it into a running
# machine, which is restarted. The image stays as it is: the next `vivarium up` that makes a new
# container has the image's own.
#
#   scripts/update-body.sh [CONTAINER]     os-host, or that of VIVARIUM_INSTANCE, if none is given
set -euo pipefail
cd "$(dirname "$0")/.."
container=${1:-${VIVARIUM_INSTANCE:+$VIVARIUM_INSTANCE-}os-host}
if [ "$(docker inspect -f '{{.State.Running}}' "$container" 2>/dev/null)" != true ]; then
  printf 'The machine %s is not running. Start it with: vivarium up\n' "$container" >&2
  exit 1
fi
target=$(uname -m)-unknown-linux-gnu
RUSTFLAGS="-C target-feature=+crt-static" cargo build --locked --package body --target "$target"
# Aside first: the running program can't be written to, and half a file must not be started.
docker cp "target/$target/debug/body" "$container:/usr/local/bin/body.next" >/dev/null
docker exec -u 0 "$container" sh -c 'chown 0:0 /usr/local/bin/body.next && chmod 0755 /usr/local/bin/body.next && mv /usr/local/bin/body.next /usr/local/bin/body'
docker restart "$container" >/dev/null
deadline=$((SECONDS + 60))
until docker exec "$container" sh -c 'curl -fsS -o /dev/null "http://127.0.0.1:${KERNEL_PORT:-8080}/ping"' 2>/dev/null; do
  if [ "$SECONDS" -ge "$deadline" ]; then
    docker logs --tail 20 "$container" >&2
    printf 'The machine %s did not answer within a minute. Its image is unchanged: vivarium up --rebuild makes it again.\n' "$container" >&2
    exit 1
  fi
  sleep 0.1
done
printf '%s runs this body now (%s s)\n' "$container" "$SECONDS"
