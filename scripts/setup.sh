#!/usr/bin/env bash
# Installs what the tests and the demo need and is missing, and says what and why. A second run does nothing.
#
#   ./scripts/setup.sh [--yes] [--demo]
#
#   --yes    do not ask before using sudo (CI=true means the same)
#   --demo   only what ./scripts/demo.sh needs: without the test runner
#
# Everything that the project brings itself goes to .tools; only compilers and interpreters come from the system.
set -euo pipefail
umask 022
# shellcheck source=scripts/lib/common.sh
source "$(dirname "$0")/lib/common.sh"
# shellcheck source=scripts/lib/apt.sh
source "$root/scripts/lib/apt.sh"
# shellcheck source=scripts/lib/install-postgres.sh
source "$root/scripts/lib/install-postgres.sh"
# shellcheck source=scripts/lib/install-redis.sh
source "$root/scripts/lib/install-redis.sh"

# The version whose output Ralph's parser was tested with.
claude_code=2.1.329

assume_yes=false
with_test_runner=true
for argument in "$@"; do
  case $argument in
    --yes) assume_yes=true ;;
    --demo) with_test_runner=false ;;
    --help | -h) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) fail "unknown argument $argument (see ./scripts/setup.sh --help)" ;;
  esac
done

install_system_packages() {
  have git || need git "the stand-in for GitHub serves real repositories"
  have cc || need build-essential "Rust needs a linker"
  have python3 || need python3 "the tests of the sample repository run on it, and pip fetches Postgres"
  # Debian splits ensurepip from python3, and without it a venv fails half-way.
  postgres_is_installed || python3 -c "import ensurepip" 2>/dev/null || need python3-venv "pip fetches Postgres"
  have node || need nodejs "Claude Code is installed with npm"
  have npm || need npm "Claude Code is installed with npm"
  have setpriv || need util-linux "servers of the tests end with the test"
  if [ "$with_test_runner" = true ]; then
    have faketime || need faketime "tests set the clock of a worker wrong"
  fi
  install_needed
  have cargo || fail "Rust is missing. Install it from https://rustup.rs and run ./scripts/setup.sh again."
}

install_claude() {
  local directory=$tools/claude binary=node_modules/.bin/claude
  if [ "$(cat "$directory/version" 2>/dev/null)" = "$claude_code" ] && [ -x "$directory/$binary" ]; then return; fi
  say "Installing Claude Code $claude_code into .tools/claude (the coding agent that Ralph runs; about 370 MB)"
  local stage=$tools/stage/claude
  rm -rf "$stage"
  mkdir -p "$stage/home"
  npm install --silent --no-audit --no-fund --no-update-notifier --prefix "$stage" \
    "@anthropic-ai/claude-code@$claude_code" >/dev/null
  # An npm that skips install scripts leaves a wrapper in the place of the program.
  (cd "$stage/node_modules/@anthropic-ai/claude-code" && node install.cjs >/dev/null)
  HOME=$stage/home "$stage/$binary" --version >/dev/null || fail "the installed Claude Code does not run here"
  rm -rf "$stage/home" "$directory"
  printf '%s\n' "$claude_code" >"$stage/version"
  mv "$stage" "$directory"
}

install_test_runner() {
  if have cargo-nextest; then return; fi
  say "Building cargo-nextest into .tools/cargo (the test runner: each test in a process of its own; some minutes)"
  cargo install --quiet --locked --root "$tools/cargo" cargo-nextest
}

mkdir -p "$tools"
# Two runs at once would unpack over each other.
exec 9>"$tools/.lock"
if have flock; then flock 9; fi

install_system_packages
install_postgres
install_redis
install_claude
if [ "$with_test_runner" = true ]; then install_test_runner; fi
rm -rf "$tools/stage"
