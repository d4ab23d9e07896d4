#!/usr/bin/env bash
# Checks, tests and builds the pages of the dashboard: the step `dashboard` of CI.
#
#   ./scripts/ci/dashboard.sh
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
source "$(dirname "$0")/../lib/common.sh"
# shellcheck source=scripts/lib/dashboard.sh
source "$root/scripts/lib/dashboard.sh"

can_build_dashboard ||
  fail "Node.js $min_node_of_dashboard or newer is needed for the dashboard: install one from https://nodejs.org"
install_dashboard_packages
cd "$dashboard"

say "Comparing the generated client with openapi.json"
before=$(dashboard_digest)
quietly "Generating the client" npm run generate
[ "$(dashboard_digest)" = "$before" ] ||
  fail "the client in dashboard/ was generated from another openapi.json. It is up to date now: commit it"

say "Linting and type checking"
npm run check
say "Testing"
npm run test
say "Building, and measuring what a browser loads first"
build_dashboard
npm run size
