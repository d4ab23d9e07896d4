# shellcheck shell=bash
# Shared by the scripts: `source "$(dirname "$0")/lib/common.sh"`. Sets `root` (the checkout) and `tools` (its .tools),
# and puts the project's own tools on PATH.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tools=$root/.tools
export PATH="$tools/cargo/bin:$PATH"

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
fail() { printf '\033[1;31merror:\033[0m %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# Whether a person agrees; yes without asking in CI and with --yes, no where nobody can be asked.
confirm() {
  if [ "${assume_yes:-false}" = true ] || [ "${CI:-}" = true ]; then return 0; fi
  [ -t 0 ] || return 1
  local answer
  read -r -p "$1 [y/N] " answer
  [ "$answer" = y ] || [ "$answer" = Y ] || [ "$answer" = yes ]
}
