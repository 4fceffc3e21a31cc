#!/bin/sh
# Compiles the machine's binaries inside `docker build`, in two steps, so that the engine keeps the
# first one's layer: other people's crates are compiled again only if a Cargo.toml or Cargo.lock changes.
#
#   compile.sh dependencies    with the workspace's manifests alone
#   compile.sh binaries        with all sources; installs them into /out/bin
#
# Where all binaries lie in /prebuilt/<arch>, nothing is compiled. DOCKER_CLI=1 adds body-evolve.
set -eu

arch=$(uname -m)
names=body
members='"body"'
if [ "${DOCKER_CLI:-0}" = 1 ]; then
  names='body body-evolve'
  members='"body", "crates/body-evolve"'
fi
prebuilt=1
for name in $names; do [ -f "/prebuilt/$arch/$name" ] || prebuilt=0; done

# Certificates of a network that inspects TLS; they are for the build alone.
for bundle in /build-ca/*.crt; do
  [ ! -f "$bundle" ] || export CARGO_HTTP_CAINFO="$bundle" SSL_CERT_FILE="$bundle"
done

# The workspace is cut down to what is compiled: the app's package at the root and its sources
# are not in the context.
cut() {
  awk -v members="$members" '/^\[/ {keep = ($0 ~ /^\[(workspace|profile)/)}
       skip {if (/\]/) skip = 0; next}
       /^(default-)?members *=/ {if ($0 !~ /\]/) skip = 1; if ($0 !~ /^default/) print "members = [" members "]"; next}
       keep' Cargo.toml >/tmp/cut.toml
  mv /tmp/cut.toml Cargo.toml
}

compile() {
  packages=
  for name in $names; do packages="$packages --package $name"; done
  # shellcheck disable=SC2086
  RUSTFLAGS='-C target-feature=+crt-static' cargo build --quiet --release --target "$arch-unknown-linux-gnu" --target-dir /cargo-target $packages
}

case $1 in
  dependencies)
    [ "$prebuilt" = 0 ] || exit 0
    cut
    # Crates without a line: cargo compiles all that they depend on.
    for manifest in body/Cargo.toml crates/*/Cargo.toml; do
      folder=${manifest%/Cargo.toml}
      mkdir -p "$folder/src"
      : >"$folder/src/lib.rs"
      printf 'fn main() {}\n' >"$folder/src/main.rs"
    done
    compile
    # The crates' archives are unpacked; the sources come with the next layer.
    rm -rf "${CARGO_HOME:-$HOME/.cargo}/registry/cache" body crates Cargo.toml Cargo.lock
    ;;
  binaries)
    mkdir -p /out/bin
    if [ "$prebuilt" = 1 ]; then
      for name in $names; do install -m 0755 "/prebuilt/$arch/$name" "/out/bin/$name"; done
    else
      cp -a Cargo.toml Cargo.lock /tmp/
      cut
      # By its time cargo knows a changed file, and the context's files may be older than the layer.
      find crates body -name '*.rs' -exec touch {} +
      compile
      for name in $names; do install -m 0755 "/cargo-target/$arch-unknown-linux-gnu/release/$name" "/out/bin/$name"; done
      # No later build could use these.
      rm -rf "/cargo-target/$arch-unknown-linux-gnu/release"/body* "/cargo-target/$arch-unknown-linux-gnu/release/deps"/body*
      mv /tmp/Cargo.toml /tmp/Cargo.lock .
    fi
    ;;
  *)
    echo 'compile.sh dependencies|binaries' >&2
    exit 2
    ;;
esac
