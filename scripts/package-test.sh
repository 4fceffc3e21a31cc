#!/usr/bin/env bash
# The package as a stranger has it: on a fresh Debian, in a container without the clone, it is
# installed, started by its desktop entry, and its command line builds the machine's image from
# what the package brought.
#
#   scripts/package-test.sh [PACKAGE.deb]     target/package/*.deb where nothing is said
# What stands in single quotes is for the shell in the container.
# shellcheck disable=SC2016
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib/engine.sh
. scripts/lib/engine.sh
# shellcheck source=scripts/lib/build.sh
. scripts/lib/build.sh

packages=("${1:-}")
[ -n "${packages[0]}" ] || packages=(target/package/*.deb)
if [ "${#packages[@]}" -ne 1 ] || [ ! -f "${packages[0]}" ]; then
  printf 'There is no package in target/package: make it with scripts/package.sh.\n' >&2
  exit 1
fi
name="vtest-package-$$"
tidy() {
  docker rm -f "$name" >/dev/null 2>&1 || true
  docker image rm -f "$name-os" >/dev/null 2>&1 || true
  stop_engine_if_started
}
trap tidy EXIT
ensure_engine
ensure_base
offer_build_ca

docker run -d --name "$name" -v /var/run/docker.sock:/var/run/docker.sock "$base_image" sleep 3600 >/dev/null
docker cp "${packages[0]}" "$name:/vivarium.deb" >/dev/null
inside() { docker exec -e DEBIAN_FRONTEND=noninteractive "$name" "$@"; }
log=$(mktemp)
if ! inside sh -c 'apt-get update -qq && apt-get install -y -qq --no-install-recommends /vivarium.deb xvfb xauth xdotool libgtk-3-bin desktop-file-utils' >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  exit 1
fi
printf 'Installed %s\n' "$(inside dpkg-query -W -f '${Package} ${Version} ${Installed-Size} kB' vivarium)"

inside sh -eu -c '
  entry=$(dpkg -L vivarium | grep "/applications/.*desktop$")
  desktop-file-validate "$entry"
  icon=$(sed -n "s/^Icon=//p" "$entry")
  for size in 32x32 64x64 128x128 256x256@2 512x512 scalable; do
    ls /usr/share/icons/hicolor/$size/apps/"$icon".* >/dev/null
  done
'
# By its entry, as a double click does; gtk-launch returns at once.
inside xvfb-run -a -s '-screen 0 1280x800x24 -noreset' sh -eu -c '
  cd /
  gtk-launch "$(basename "$(dpkg -L vivarium | grep "/applications/.*desktop$")")"
  window=$(timeout 240 xdotool search --sync --onlyvisible --name "^Vivarium$" | head -n 1)
  process=$(xdotool getwindowpid "$window")
  [ "$(readlink "/proc/$process/exe")" = /usr/bin/vivarium-desktop ]
  kill "$process"
'
printf 'Started by its desktop entry, and its window is there\n'

# On a network that inspects TLS, as its owner would.
for certificates in body/build-ca/*.crt; do
  [ ! -f "$certificates" ] || docker cp "$certificates" "$name:/usr/lib/Vivarium/template/body/build-ca/" >/dev/null
done
inside vivarium --instance "$name" build >"$log" 2>&1 || {
  tail -n 20 "$log" >&2
  exit 1
}
printf 'The image is built from what the package brought\n'
inside sh -c 'rm -f /usr/lib/Vivarium/template/body/build-ca/*.crt; apt-get purge -y -qq vivarium >/dev/null 2>&1
  [ ! -e /usr/bin/vivarium ] && [ ! -e /usr/lib/Vivarium ]'
printf 'Removed without a trace\n'
