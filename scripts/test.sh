#!/usr/bin/env bash
# Passes the tests: format, lints, tidy, offline query data, tests, documentation tests, workers in containers and the
# demo in containers, two minutes of chaos, and the benchmark, small.
#
#   ./scripts/test.sh [--yes] [STEP...]
#
#   --yes    do not ask before using sudo for a missing package (CI=true means the same)
#   STEP     only these steps; `cargo xtask ci --help` lists them
#
# Installs what is missing first. Needs no network but the package registries, and touches no database but its own.
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
source "$(dirname "$0")/lib/common.sh"

setup_arguments=()
steps=()
for argument in "$@"; do
  case $argument in
    --yes) setup_arguments+=(--yes) ;;
    --help | -h) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) steps+=("$argument") ;;
  esac
done

"$root/scripts/setup.sh" "${setup_arguments[@]}"
cd "$root"
say "Building the checks (the first time takes some minutes)"
exec cargo run --package xtask -- ci "${steps[@]}"
