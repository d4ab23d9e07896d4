#!/usr/bin/env bash
# Applies the missing migrations to the database of DATABASE_URL, from .env or the environment.
#
#   ./scripts/migrate.sh
#
# The orchestrator does the same at start. DATABASE_URL is the only setting that is needed.
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
source "$(dirname "$(readlink -f "$0")")/lib/common.sh"
# shellcheck source=scripts/lib/dotenv.sh
source "$root/scripts/lib/dotenv.sh"

for argument in "$@"; do
  case $argument in
    --help | -h) usage; exit 0 ;;
    *) fail "unknown argument $argument (see ./scripts/migrate.sh --help)" ;;
  esac
done

load_dotenv
cd "$root"
have cargo || fail "Rust is missing. Install it from https://rustup.rs and run ./scripts/migrate.sh again."
say "Building whim-orchestrator; the first build takes several minutes"
cargo build --package whim-orchestrator
exec "${CARGO_TARGET_DIR:-target}/debug/whim-orchestrator" migrate
