# shellcheck shell=bash
# Builds what run.sh, test.sh and bench.sh share. Quick where nothing changed.

# build_static NAME: one package as a static binary, in target/<processor>-unknown-linux-gnu/release.
build_static() {
  RUSTFLAGS="-C target-feature=+crt-static" cargo build --locked --package "$1" --release \
    --target "$(uname -m)-unknown-linux-gnu"
}

# build_body [NAME…]: the machine's static binaries, put where the image's build looks for them:
# the supervisor `body`, and `body-evolve`, which carries out evolves through a mounted socket.
# With VIVARIUM_BODY_BUILT, those that are there are taken as they are.
build_body() {
  local arch name
  local names=("$@")
  [ $# -gt 0 ] || names=(body body-evolve)
  arch=$(uname -m)
  mkdir -p "body/bin/$arch"
  if [ -n "${VIVARIUM_BODY_BUILT:-}" ]; then
    for name in "${names[@]}"; do [ -x "body/bin/$arch/$name" ] || return; done
    return 0
  fi
  for name in "${names[@]}"; do
    # One after the other: together they would be compiled with each other's features.
    build_static "$name" || return
    cmp -s "target/$arch-unknown-linux-gnu/release/$name" "body/bin/$arch/$name" ||
      install -m 0755 "target/$arch-unknown-linux-gnu/release/$name" "body/bin/$arch/$name"
  done
}

# build_sandbox_init: the first process of sandboxes, as a static binary where `vivarium serve` looks for
# it. With VIVARIUM_BODY_BUILT, the one that is there is taken as it is.
build_sandbox_init() {
  if [ "$(uname -s)" != Linux ]; then return 0; fi
  if [ -n "${VIVARIUM_BODY_BUILT:-}" ] && [ -x "target/$(uname -m)-unknown-linux-gnu/release/sandbox-init" ]; then
    return 0
  fi
  build_static sandbox-init
}

# The command line, at target/release/vivarium. On Linux it is linked like the supervisor, and so
# shares the crates that were compiled for it.
build_command_line() {
  local built
  if [ "$(uname -s)" != Linux ]; then
    cargo build --locked --release --package cli
    return
  fi
  build_static cli || return
  built=target/$(uname -m)-unknown-linux-gnu/release/vivarium
  mkdir -p target/release
  cmp -s "$built" target/release/vivarium || install -m 0755 "$built" target/release/vivarium
}

# Certificates of a network that inspects TLS: used while the image is built, never part of it.
offer_build_ca() {
  local bundle=${VIVARIUM_BUILD_CA:-${SSL_CERT_FILE:-}} context
  if [ -n "$bundle" ] && [ -f "$bundle" ]; then
    for context in body docker; do
      cmp -s "$bundle" "$context/build-ca/ca-certificates.crt" || install -m 0644 "$bundle" "$context/build-ca/ca-certificates.crt"
    done
  fi
}

# The image's heavy layers (all but the binaries), which need nothing that is compiled here: made while cargo compiles, they are in the engine's cache when the image is built.
# The classic builder, whose cache the app's own builds use.
build_layers() {
  DOCKER_BUILDKIT=0 docker build --target machine --file body/Dockerfile . 2>&1
}

# build_sandbox_image NAME: the image of sandboxes. Its context is the root, with what .dockerignore leaves.
build_sandbox_image() {
  DOCKER_BUILDKIT=0 docker build --tag "$1" --file docker/sandbox/Dockerfile . 2>&1
}

# The UI, into ui/dist. Nothing is done if no source is newer.
build_ui() {
  (
    cd ui || return
    if [ ! -d node_modules ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
      npm ci --no-audit --no-fund || return
    fi
    if [ -f dist/index.html ] && grep -q 'id="app"' dist/index.html &&
      [ -z "$(find src public index.html package-lock.json vite.config.ts svelte.config.js tsconfig.json -newer dist/index.html -print -quit)" ]; then
      return 0
    fi
    npm run --silent build -- --logLevel warn
  )
}

# What cargo compiled of other people's crates, from this user's cache into this clone, and back.
restore_dependencies() { node scripts/lib/dependency-cache.mjs restore; }
save_dependencies() { node scripts/lib/dependency-cache.mjs save; }
