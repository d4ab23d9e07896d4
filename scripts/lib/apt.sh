# shellcheck shell=bash
# Packages of a Debian-like system. Needs common.sh.

missing=()
reasons=""

# need PACKAGE REASON: installed with all the others, after one question.
need() {
  missing+=("$1")
  reasons+="      $1: $2"$'\n'
}

install_needed() {
  [ "${#missing[@]}" -gt 0 ] || return 0
  have apt-get || fail "this is not a Debian-like system (no apt-get). Install what these Debian packages hold, then run ./scripts/setup.sh again:
$reasons"
  say "Installing from the distribution:"
  printf '%s' "$reasons" >&2
  as_root "apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
  missing=()
  reasons=""
}

# as_root COMMAND: runs it directly, or with sudo after a confirmation. Otherwise fails with what to run by hand.
as_root() {
  local command="export DEBIAN_FRONTEND=noninteractive; $1"
  if [ "$(id -u)" = 0 ]; then
    quietly "Installing packages" bash -euc "$command"
  elif have sudo && confirm "Run this with sudo: $1?"; then
    sudo bash -euc "$command" >/dev/null
  else
    fail "this needs root. Run it by hand, then run ./scripts/setup.sh again:
      $1"
  fi
}

package_is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# The package mirror that this machine uses.
debian_mirror() {
  local mirror
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v -e security -e updates | head -n 1)
  [ -n "$mirror" ] || fail "apt has no package lists. Run apt-get update, then run this again."
  printf '%s' "${mirror%/}"
}
