#!/usr/bin/env bash
# Runs Whim against the real GitHub and Anthropic, with the settings of .env, until Ctrl-C.
#
#   ./scripts/dev.sh [--yes]
#
#   --yes    do not ask before using sudo for a missing package
#
# Postgres and Redis are started here unless something answers at DATABASE_URL and REDIS_URL already.
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
source "$(dirname "$0")/lib/common.sh"
# shellcheck source=scripts/lib/dotenv.sh
source "$root/scripts/lib/dotenv.sh"
# shellcheck source=scripts/lib/databases.sh
source "$root/scripts/lib/databases.sh"

setup_arguments=(--demo)
for argument in "$@"; do
  case $argument in
    --yes) setup_arguments+=(--yes) ;;
    --dashboard) fail "the dashboard is not there yet; run ./scripts/dev.sh without --dashboard, and look with curl http://localhost:3002/api/status" ;;
    --help | -h) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) fail "unknown argument $argument (see ./scripts/dev.sh --help)" ;;
  esac
done

load_dotenv
require_setting GITHUB_TOKEN "A personal access token that may read and write the repositories' contents, issues and pull requests."
require_setting REPOS "The repositories to watch, for example octocat/hello-world,octocat/spoon-knife."
require_setting ANTHROPIC_API_KEY "A key from the Anthropic console; it writes the specs, and runs the agent unless CLAUDE_CODE_OAUTH_TOKEN is set."

"$root/scripts/setup.sh" "${setup_arguments[@]}"
say "Building"
cd "$root"
cargo build --release --bins --package whim-orchestrator --package whim-intake --package whim-worker --package ralph

started=()
stop() {
  trap - EXIT INT TERM
  say "Stopping; workers that are running go on and are taken up again at the next start"
  local index
  for ((index = ${#started[@]} - 1; index >= 0; index--)); do
    # INT is what ends Postgres without waiting for its clients; the others take it like TERM.
    kill -INT "${started[index]}" 2>/dev/null || continue
    wait "${started[index]}" 2>/dev/null || true
  done
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# host_and_port URL DEFAULT_PORT
host_and_port() {
  local rest=${1#*://}
  rest=${rest##*@}
  rest=${rest%%/*}
  printf '%s %s' "${rest%%:*}" "$([[ $rest == *:* ]] && printf '%s' "${rest##*:}" || printf '%s' "$2")"
}

read -r host port < <(host_and_port "${DATABASE_URL:-postgres://factory:factory@127.0.0.1:5432/factory}" 5432) || true
if ! answers "$host" "$port"; then
  case $host in localhost | 127.0.0.1) ;; *) fail "no Postgres answers at $host:$port (DATABASE_URL)" ;; esac
  start_postgres "$port"
  started+=("$postgres_pid")
fi
read -r host port < <(host_and_port "${REDIS_URL:-redis://127.0.0.1:6379}" 6379) || true
if ! answers "$host" "$port"; then
  case $host in localhost | 127.0.0.1) ;; *) fail "no Redis answers at $host:$port (REDIS_URL)" ;; esac
  start_redis "$port"
  started+=("$redis_pid")
fi

# The services run on this machine here, and so do the workers, also where an engine answers.
export WORKER_RUNTIME=${WORKER_RUNTIME:-process}
export CLAUDE_BIN=${CLAUDE_BIN:-$tools/claude/node_modules/.bin/claude}
# In sessions of their own, so that Ctrl-C reaches this script alone, which stops them in order.
setsid target/release/whim-orchestrator &
started+=($!)
wait_for "The orchestrator" 127.0.0.1 "${PORT:-3002}" "$!"
setsid target/release/whim-intake &
started+=($!)
say "Whim runs: http://localhost:${PORT:-3002}/api/status. Label an issue ${INTAKE_LABEL:-whim}. Ctrl-C stops it."
# When one of the two ends, the other is of no use.
wait -n "${started[@]: -2}" || true
fail "a service ended; its last lines are above"
