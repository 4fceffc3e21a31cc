# shellcheck shell=bash
# Finds what the project needs on this system, installs it on Debian and Ubuntu
# (as root or through sudo), and elsewhere says exactly what is missing.

# shellcheck source=scripts/lib/progress.sh
. "$(dirname "${BASH_SOURCE[0]}")/progress.sh"

# Runs a command as root: as it is, or through sudo.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -- "$@"; fi
}

can_install() {
  command -v apt-get >/dev/null 2>&1 || return 1
  [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null 2>&1
}

apt_install() {
  as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
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
    local packages_log
    packages_log=$(mktemp "${TMPDIR:-/tmp}/vivarium-packages-XXXXXX.log")
    # Asked for a password here, if at all: a process in the background can't ask.
    as_root true
    if ! progress_watched 'Installing packages' "$packages_log" apt_install "${missing[@]}"; then
      tail -n 20 "$packages_log" >&2
      printf 'Could not install %s. The whole log: %s\n' "${missing[*]}" "$packages_log" >&2
      return 1
    fi
    rm -f "$packages_log"
  else
    printf 'Missing, and not installed by this script on this system: %s\n' "${missing[*]}" >&2
    printf 'Those are the names of the Debian packages. ' >&2
    if command -v dnf >/dev/null 2>&1; then
      printf 'On Fedora: sudo dnf install %s\n' "$(elsewhere dnf "${missing[@]}")" >&2
    elif command -v pacman >/dev/null 2>&1; then
      printf 'On Arch: sudo pacman -S --needed %s\n' "$(elsewhere pacman "${missing[@]}")" >&2
    elif command -v apt-get >/dev/null 2>&1; then
      printf 'As root: apt-get install %s\n' "${missing[*]}" >&2
    else
      printf 'Install the same with your package manager.\n' >&2
    fi
    printf 'Then run this again.\n' >&2
    return 1
  fi
}

# elsewhere dnf|pacman PACKAGE…: another distribution's names of Debian's packages.
elsewhere() {
  local manager=$1 package names=()
  shift
  for package in "$@"; do
    case $manager:$package in
      dnf:libwebkit2gtk-4.1-dev) names+=(webkit2gtk4.1-devel) ;;
      dnf:libgtk-3-dev) names+=(gtk3-devel) ;;
      dnf:librsvg2-dev) names+=(librsvg2-devel) ;;
      dnf:libayatana-appindicator3-dev) names+=(libayatana-appindicator-gtk3-devel) ;;
      dnf:libxdo-dev) names+=(libxdo-devel) ;;
      dnf:libssl-dev) names+=(openssl-devel) ;;
      dnf:build-essential) names+=(gcc gcc-c++ make) ;;
      dnf:pkg-config) names+=(pkgconf-pkg-config) ;;
      dnf:python3-venv | pacman:python3-venv) ;;
      dnf:xvfb) names+=(xorg-x11-server-Xvfb) ;;
      dnf:xauth) names+=(xorg-x11-xauth) ;;
      dnf:webkit2gtk-driver) names+=(webkit2gtk4.1) ;;
      pacman:libwebkit2gtk-4.1-dev | pacman:webkit2gtk-driver) names+=(webkit2gtk-4.1) ;;
      pacman:libgtk-3-dev) names+=(gtk3) ;;
      pacman:librsvg2-dev) names+=(librsvg) ;;
      pacman:libayatana-appindicator3-dev) names+=(libayatana-appindicator) ;;
      pacman:libxdo-dev) names+=(xdotool) ;;
      pacman:libssl-dev) names+=(openssl) ;;
      pacman:build-essential) names+=(base-devel) ;;
      pacman:pkg-config) names+=(pkgconf) ;;
      pacman:python3) names+=(python) ;;
      pacman:xvfb) names+=(xorg-server-xvfb) ;;
      pacman:xauth) names+=(xorg-xauth) ;;
      *) names+=("$package") ;;
    esac
  done
  printf '%s\n' "${names[*]}"
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
