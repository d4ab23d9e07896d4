#!/usr/bin/env bash
# Demonstrates the main job on this machine, without any key: a labelled issue becomes a pull request.
#
#   ./scripts/demo.sh [--keep] [--yes]
#
#   --keep   leave the services running afterwards, with the dashboard, until Ctrl-C
#   --yes    do not ask before using sudo for a missing package
#
# Real: Postgres, Redis, git, the services, Ralph and the Claude Code CLI. Stand-ins: GitHub, and the model (scripted).
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
source "$(dirname "$(readlink -f "$0")")/lib/common.sh"

setup_arguments=(--demo)
demo_arguments=()
for argument in "$@"; do
  case $argument in
    --yes) setup_arguments+=(--yes) ;;
    --keep) demo_arguments+=(--keep) ;;
    --help | -h) usage; exit 0 ;;
    *) fail "unknown argument $argument (see ./scripts/demo.sh --help)" ;;
  esac
done

"$root/scripts/setup.sh" "${setup_arguments[@]}"
cd "$root"
say "Building; the first build takes several minutes"
cargo build --bins --package whim-orchestrator --package whim-intake --package whim-worker --package ralph \
  --package whim-dashboard --package whim-e2e
# Replaces this shell: Ctrl-C reaches the program, which cleans up, and its exit code is the script's.
exec target/debug/whim-demo "${demo_arguments[@]}"
