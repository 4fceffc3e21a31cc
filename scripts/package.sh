#!/usr/bin/env bash
# Makes an installable package with all that a machine's image needs, so that an installed app
# works without the clone: the window, the command line, the Dockerfile, rootfs and worker, the
# sources, and the static body of this computer's architecture.
#
#   scripts/package.sh [deb|rpm|dmg|msi]…     deb where nothing is said
#
# Bodies of other architectures, made there (scripts/lib/build.sh, build_body) and put into
# body/bin/<arch>/body, are packed too.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib/packages.sh
. scripts/lib/packages.sh
# shellcheck source=scripts/lib/build.sh
. scripts/lib/build.sh

case ${1:-} in -h | --help)
  sed -n '2,10s/^# \{0,1\}//p' "$0"
  exit 0
  ;;
esac
# `dev` is made in no time and large: for tests.
profile=${VIVARIUM_PROFILE:-dist}
if [ "$profile" = dev ]; then built=target/debug how=(--debug); else built=target/$profile how=(); fi
# Tests add the workspace and its features, so that what they have compiled is used.
read -ra cargo_arguments <<<"${VIVARIUM_CARGO_ARGUMENTS:-}"
need_tools
need_window_packages
steps 5
step "Compiling the machine's binaries" build_body
step 'Compiling the first process of sandboxes' build_sandbox_init
step 'Building the pages' build_ui
step 'Compiling the command line' cargo build --locked --profile "$profile" --bin vivarium "${cargo_arguments[@]:---package=cli}"

stage=target/package
rm -rf "$stage"
mkdir -p "$stage/template" "$stage/bin"
install -m 0755 "$built/vivarium" "$stage/bin/vivarium"
# What git knows of these; the certificates of this computer's network are not among them.
git ls-files -z -- Cargo.toml Cargo.lock crates body docker/base docker/sandbox docker/agents docker/build-ca docker/entry docker/Dockerfile docker/Dockerfile.gpu LICENSE-MIT LICENSE-APACHE |
  tar --null --files-from=- -cf - | tar -xf - -C "$stage/template"
find "$stage/template/crates" "$stage/template/body" -type d -name tests -prune -exec rm -rf {} +
for body in body/bin/*/body body/bin/*/body-evolve; do
  install -D -m 0755 "$body" "$stage/template/$body"
done

for init in target/*-unknown-linux-gnu/release/sandbox-init; do
  arch=${init#target/}
  [ ! -f "$init" ] || install -D -m 0755 "$init" "$stage/template/docker/sandbox/bin/${arch%%-*}/sandbox-init"
done

# No lock file: it would have to name a binary for each system, and package.json is exact.
(cd scripts/package && npm install --silent)
bundles=$(IFS=,; printf '%s' "${*:-deb}")
step 'Compiling and packing the app' scripts/package/node_modules/.bin/tauri build --ci --bundles "$bundles" --config scripts/package/tauri.json "${how[@]}" -- --locked --profile "$profile" "${cargo_arguments[@]}"
for kind in ${bundles//,/ }; do
  for made in "$built"/bundle/"$kind"/*."$kind"; do
    [ ! -f "$made" ] || cp "$made" "$stage/" && printf 'Made %s/%s\n' "$stage" "${made##*/}"
  done
done
