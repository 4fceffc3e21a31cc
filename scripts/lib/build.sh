# shellcheck shell=bash
# Builds what run.sh, test.sh and bench.sh share. Quick where nothing changed.

# The static binary of the machine's body, where the image's build looks for it.
build_body() {
  local arch
  arch=$(uname -m)
  RUSTFLAGS="-C target-feature=+crt-static" cargo build --quiet --locked --package body --release \
    --target "$arch-unknown-linux-gnu" --target-dir target/body
  mkdir -p "body/bin/$arch"
  cmp -s "target/body/$arch-unknown-linux-gnu/release/body" "body/bin/$arch/body" ||
    install -m 0755 "target/body/$arch-unknown-linux-gnu/release/body" "body/bin/$arch/body"
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
