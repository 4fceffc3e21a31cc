#!/usr/bin/env bash
# Makes the image debian:trixie-slim from Debian's packages, for machines that reach
# Debian's archive but no image registry; debian:bookworm-slim too.
#
#   docker/base/make-debian.sh [IMAGE]     IMAGE is debian:trixie-slim where it is left out
#
# DEBIAN_MIRROR and DEBIAN_SECURITY_MIRROR take other archives than Debian's own.
set -euo pipefail

image=${1:-debian:trixie-slim}
case $image in *:bookworm*) suite=bookworm ;; *) suite=trixie ;; esac
mirror=${DEBIAN_MIRROR:-}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -- "$@"; fi
}

if ! command -v debootstrap >/dev/null 2>&1 && [ ! -x /usr/sbin/debootstrap ]; then
  if ! command -v apt-get >/dev/null 2>&1; then
    printf 'debootstrap is missing: install it with your package manager, then run this again.\n' >&2
    exit 1
  fi
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap >/dev/null
fi
PATH=$PATH:/usr/sbin:/sbin

work=$(mktemp -d)
trap 'as_root rm -rf "$work"' EXIT
root=$work/root
log=$work/log

# debootstrap knows Debian's own archive; it is asked where none is given.
if ! as_root debootstrap --variant=minbase "$suite" "$root" ${mirror:+"$mirror"} >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  printf 'debootstrap could not fetch Debian %s. Its version may be too old to know it, or DEBIAN_MIRROR may be wrong.\n' "$suite" >&2
  exit 1
fi
[ -n "$mirror" ] || mirror=$(awk '$1 == "deb" {print $2; exit}' "$root/etc/apt/sources.list")
security=${DEBIAN_SECURITY_MIRROR:-${mirror%/}-security}

write() { as_root tee "$root/$1" >/dev/null; }

as_root rm -f "$root/etc/apt/sources.list"
write etc/apt/sources.list.d/debian.sources <<SOURCES
Types: deb
URIs: $mirror
Suites: $suite $suite-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: $security
Suites: $suite-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES

# The habits of the official image: no service starts while packages are installed, no
# archive is kept, no documentation is unpacked.
write usr/sbin/policy-rc.d <<'POLICY'
#!/bin/sh
exit 101
POLICY
as_root chmod 0755 "$root/usr/sbin/policy-rc.d"
write etc/apt/apt.conf.d/docker <<'APT'
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };
APT::Update::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
Acquire::GzipIndexes "true";
Apt::AutoRemove::SuggestsImportant "false";
APT
write etc/dpkg/dpkg.cfg.d/docker <<'DPKG'
force-unsafe-io
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/groff/*
path-exclude /usr/share/info/*
path-exclude /usr/share/linda/*
path-exclude /usr/share/lintian/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/man/*
DPKG

as_root chroot "$root" apt-get update -qq >>"$log" 2>&1
as_root chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get dist-upgrade -y -qq >>"$log" 2>&1
as_root find "$root/usr/share/doc" -depth -type f ! -name copyright -delete
as_root find "$root/usr/share/doc" -depth -type d -empty -delete
for folder in usr/share/groff usr/share/info usr/share/lintian usr/share/linda usr/share/locale usr/share/man \
  var/lib/apt/lists var/cache/apt var/cache/ldconfig var/log; do
  as_root find "$root/$folder" -mindepth 1 -delete 2>/dev/null || true
done
as_root mkdir -p "$root/var/lib/apt/lists/partial" "$root/var/cache/apt/archives/partial"
# What this machine put there for its own network.
as_root rm -f "$root/etc/resolv.conf" "$root/etc/hostname"

as_root tar -C "$root" --numeric-owner --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' -cf - . |
  docker import --change 'CMD ["bash"]' - "$image" >/dev/null
printf 'Made %s: Debian %s\n' "$image" "$(as_root cat "$root/etc/debian_version")"
