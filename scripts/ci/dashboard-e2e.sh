#!/usr/bin/env bash
# Tests the dashboard in Chromium, before the real services and a scripted run: the step `dashboard-e2e` of CI.
#
#   ./scripts/ci/dashboard-e2e.sh [PLAYWRIGHT-ARGUMENTS...]
#   ./scripts/ci/dashboard-e2e.sh --screenshots    # writes docs/screenshots instead
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
source "$(dirname "$0")/../lib/common.sh"
# shellcheck source=scripts/lib/dashboard.sh
source "$root/scripts/lib/dashboard.sh"

task=e2e
if [ "${1-}" = --screenshots ]; then
  task=screenshots
  shift
fi
can_build_dashboard ||
  fail "Node.js $min_node_of_dashboard or newer is needed for the dashboard: install one from https://nodejs.org"
CHROMIUM=${CHROMIUM:-$(type -P chromium || true)}
[ -x "$CHROMIUM" ] || fail "chromium is not installed: run ./scripts/setup.sh"
export CHROMIUM
build_dashboard
cd "$root"
cargo build --quiet --workspace --bins
# The demo starts everything, waits for its pull request, and then runs the command with the addresses in its environment.
exec "${CARGO_TARGET_DIR:-target}/debug/whim-demo" -- npm --prefix dashboard run "$task" -- "$@"
