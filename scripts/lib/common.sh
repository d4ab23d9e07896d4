# shellcheck shell=bash
# Shared by the scripts: `source "$(dirname "$(readlink -f "$0")")/lib/common.sh"`, which works through a symlink too.
# Sets `root` (the checkout) and `tools` (its .tools), and puts the project's own tools on PATH.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tools=$root/.tools
export PATH="$tools/cargo/bin:$PATH"

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
fail() { printf '\033[1;31merror:\033[0m %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# The comment at the top of the script: what --help prints.
usage() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$(readlink -f "$0")"; }

# no_arguments "$@": for scripts that take none but --help.
no_arguments() {
  case ${1:-} in
    '') ;;
    --help | -h) usage; exit 0 ;;
    *) fail "unexpected argument $1 (see $0 --help)" ;;
  esac
}

# quietly WHAT COMMAND...: runs a command whose output is of interest only if it fails; then it is shown.
quietly() {
  local what=$1 output status=0
  shift
  output=$("$@" 2>&1) || status=$?
  [ "$status" = 0 ] || fail "$what failed (exit code $status): $*
$output"
}

# Asks for a confirmation. CI and --yes confirm; without a terminal nothing is confirmed.
confirm() {
  if [ "${assume_yes:-false}" = true ] || [ "${CI:-}" = true ]; then return 0; fi
  [ -t 0 ] || return 1
  local answer
  read -r -p "$1 [y/N] " answer
  [ "$answer" = y ] || [ "$answer" = Y ] || [ "$answer" = yes ]
}
