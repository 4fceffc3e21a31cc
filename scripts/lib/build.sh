# shellcheck shell=bash
# Builds what run.sh, test.sh and bench.sh share. Quick where nothing changed.

# The static binaries of the machine, where the image's build looks for them: the body, and what
# carries out evolves through a mounted socket.
build_body() {
  local arch name
  arch=$(uname -m)
  mkdir -p "body/bin/$arch"
  for name in body body-evolve; do
    RUSTFLAGS="-C target-feature=+crt-static" cargo build --quiet --locked --package "$name" --release \
      --target "$arch-unknown-linux-gnu" --target-dir target/body
    cmp -s "target/body/$arch-unknown-linux-gnu/release/$name" "body/bin/$arch/$name" ||
      install -m 0755 "target/body/$arch-unknown-linux-gnu/release/$name" "body/bin/$arch/$name"
  done
}

# Certificates of a network that inspects TLS: used while the image is built, never part of it.
offer_build_ca() {
  local bundle=${VIVARIUM_BUILD_CA:-${SSL_CERT_FILE:-}}
  if [ -n "$bundle" ] && [ -f "$bundle" ]; then
    cmp -s "$bundle" body/build-ca/ca-certificates.crt || install -m 0644 "$bundle" body/build-ca/ca-certificates.crt
  fi
}

# The UI, into ui/dist.
build_ui() {
  (
    cd ui
    if [ ! -d node_modules ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
      npm ci --silent
    fi
    npm run --silent build -- --logLevel warn
  )
}
