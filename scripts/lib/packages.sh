# shellcheck shell=bash
# Finds what the project needs on this system, installs it on Debian and Ubuntu
# (as root or through sudo), and elsewhere says exactly what is missing.

packages_log="${TMPDIR:-/tmp}/vivarium-packages.log"

# Runs a command as root: as it is, or through sudo.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -- "$@"; fi
}

can_install() {
  command -v apt-get >/dev/null 2>&1 || return 1
  [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null 2>&1
}

# need_packages PACKAGE…: installs those that are missing.
need_packages() {
  local missing=() package
  for package in "$@"; do
    if command -v dpkg-query >/dev/null 2>&1; then
      dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$package")
    else
      missing+=("$package")
    fi
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  if can_install; then
    printf 'Installing %s\n' "${missing[*]}"
    if ! { as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$packages_log" 2>&1; then
      tail -n 20 "$packages_log" >&2
      printf 'Could not install %s. The whole log: %s\n' "${missing[*]}" "$packages_log" >&2
      return 1
    fi
  else
    printf 'Missing, and not installed by this script on this system: %s\n' "${missing[*]}" >&2
    printf 'Those are the names of the Debian packages; install the same with your package manager, then run this again.\n' >&2
    return 1
  fi
}

# The window: WebKitGTK and what the Tauri crates link to.
need_window_packages() {
  [ "$(uname -s)" = Linux ] || return 0
  need_packages libwebkit2gtk-4.1-dev libgtk-3-dev librsvg2-dev libayatana-appindicator3-dev libxdo-dev libssl-dev \
    build-essential pkg-config file
}

need_tools() {
  local tool failed=0
  for tool in cargo node npm git; do
    if ! command -v "$tool" >/dev/null 2>&1; then
      printf '%s is missing. Rust: https://rustup.rs, Node: https://nodejs.org, git: https://git-scm.com\n' "$tool" >&2
      failed=1
    fi
  done
  return "$failed"
}
