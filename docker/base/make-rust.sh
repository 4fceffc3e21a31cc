#!/usr/bin/env bash
# Makes the image rust:1.95-slim-trixie out of debian:trixie-slim and this machine's own Rust
# toolchain, for building body from source where no image registry is reached.
#
#   docker/base/make-rust.sh [IMAGE]
set -euo pipefail

image=${1:-rust:1.95-slim-trixie}
base=debian:trixie-slim
toolchain=$(rustc --print sysroot)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/rust"
for folder in bin lib libexec; do
  [ ! -d "$toolchain/$folder" ] || cp -a "$toolchain/$folder" "$work/rust/"
done
printf '%s\n' "FROM $base" \
  'RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends ca-certificates gcc libc6-dev >/dev/null && rm -rf /var/lib/apt/lists/*' \
  'COPY rust /usr/local/rust' \
  'ENV PATH=/usr/local/cargo/bin:/usr/local/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin CARGO_HOME=/usr/local/cargo' \
  >"$work/Dockerfile"
docker build --quiet --tag "$image" "$work" >/dev/null
printf 'Made %s: %s\n' "$image" "$(rustc --version)"
