#!/usr/bin/env bash
# Brings the database of DATABASE_URL (from .env or the environment) to the schema of this checkout.
# The orchestrator does the same when it starts; this is for those who want to do it beforehand.
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
source "$(dirname "$0")/lib/common.sh"
# shellcheck source=scripts/lib/dotenv.sh
source "$root/scripts/lib/dotenv.sh"

load_dotenv
cd "$root"
exec cargo run --quiet --package whim-orchestrator -- migrate
