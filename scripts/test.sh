#!/usr/bin/env bash
# Runs every check and test: format, lints, tidy, licences and duplicates of dependencies, the pages of the dashboard,
# offline query data, tests, the dashboard in Chromium, documentation tests, workers and the demo in containers, two minutes
# of chaos, and a small benchmark.
#
#   ./scripts/test.sh [--yes] [STEP...]
#
#   --yes    do not ask before using sudo for a missing package (CI=true means the same)
#   STEP     only these steps; `cargo xtask ci --help` lists them
#
# Installs what is missing first. Needs no network except package registries, and uses databases of its own only.
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
source "$(dirname "$(readlink -f "$0")")/lib/common.sh"

setup_arguments=()
steps=()
for argument in "$@"; do
  case $argument in
    --yes) setup_arguments+=(--yes) ;;
    --help | -h) usage; exit 0 ;;
    -*) fail "unknown option $argument (see ./scripts/test.sh --help)" ;;
    *) steps+=("$argument") ;;
  esac
done

"$root/scripts/setup.sh" "${setup_arguments[@]}"
cd "$root"
say "Building the checks; the first build takes several minutes"
exec cargo run --package xtask -- ci "${steps[@]}"
