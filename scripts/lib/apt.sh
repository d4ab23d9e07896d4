# shellcheck shell=bash
# Packages of a Debian-like system. Needs common.sh.

apt_lists_are_fresh=false

# Runs a command as root: directly, or with sudo after asking. Fails with what to do by hand.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; return; fi
  have sudo || fail "root is needed and sudo is missing. Run this as root, then run ./scripts/setup.sh again: $*"
  confirm "Run with sudo: $*?" || fail "not run. Do this by hand, then run ./scripts/setup.sh again: sudo $*"
  sudo "$@"
}

require_apt() {
  have apt-get && return
  fail "this is not a Debian-like system (no apt-get). Install by hand: $1. Then run ./scripts/setup.sh again."
}

apt_update_once() {
  [ "$apt_lists_are_fresh" = false ] || return 0
  as_root apt-get update -qq
  apt_lists_are_fresh=true
}

# apt_install REASON PACKAGE...
apt_install() {
  local reason=$1
  shift
  require_apt "$*"
  say "Installing $* ($reason)"
  apt_update_once
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

package_is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
