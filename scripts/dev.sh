#!/usr/bin/env bash
# Runs Whim against GitHub and the Anthropic API, with the settings of .env, until Ctrl-C.
#
#   ./scripts/dev.sh [--dashboard] [--yes]
#
#   --dashboard   also serve the dashboard, on http://localhost:3003 (DASHBOARD_PORT)
#   --yes         do not ask before using sudo for a missing package
#
# Starts Postgres and Redis unless they already run at DATABASE_URL and REDIS_URL. What the script started ends with it,
# also when its terminal is closed; running workers wait for the gateway and are adopted at the next start.
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
source "$(dirname "$(readlink -f "$0")")/lib/common.sh"
# shellcheck source=scripts/lib/dotenv.sh
source "$root/scripts/lib/dotenv.sh"
# shellcheck source=scripts/lib/databases.sh
source "$root/scripts/lib/databases.sh"

setup_arguments=(--demo)
with_dashboard=false
for argument in "$@"; do
  case $argument in
    --yes) setup_arguments+=(--yes) ;;
    --dashboard) with_dashboard=true ;;
    --help | -h) usage; exit 0 ;;
    *) fail "unknown argument $argument (see ./scripts/dev.sh --help)" ;;
  esac
done

load_dotenv
require_setting GITHUB_TOKEN "A personal access token with read and write access to contents, issues and pull requests of the repositories."
require_setting REPOS "The repositories to watch, for example octocat/hello-world,octocat/spoon-knife."
require_setting ANTHROPIC_API_KEY "A key from the Anthropic console. It writes the specs, and runs the agent unless CLAUDE_CODE_OAUTH_TOKEN is set."

# One run per user: the lock is released when this process ends, however it ends.
mkdir -p "$state/run"
exec 8>>"$state/run/dev.lock"
if ! flock --nonblock 8; then
  pid=$(cat "$state/run/dev.pid")
  fail "Whim is running already: process $pid ($(ps -o args= -p "$pid" 2>/dev/null || true)). Stop it with: kill $pid"
fi
printf '%s\n' "$$" >"$state/run/dev.pid"

"$root/scripts/setup.sh" "${setup_arguments[@]}"
cd "$root"
programs=${CARGO_TARGET_DIR:-target}/release

# Workers run on this machine here, even if a container engine is available.
export WORKER_RUNTIME=${WORKER_RUNTIME:-process}
export WORKSPACES_DIR=${WORKSPACES_DIR:-$state/workspaces}
export CLAUDE_BIN=${CLAUDE_BIN:-$tools/claude/node_modules/.bin/claude}

# Workers reach GitHub and the model API through the gateway, with tokens for it. Containers need an address of this machine that
# they reach: GATEWAY_BIND_ADDRESS.
export GATEWAY_URL=${GATEWAY_URL:-http://${GATEWAY_BIND_ADDRESS:-127.0.0.1}:${GATEWAY_PORT:-3008}}
if [ -z "${GATEWAY_KEY:-}${GATEWAY_KEY_FILE:-}" ]; then
  GATEWAY_KEY=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
  export GATEWAY_KEY
fi

services=(whim-orchestrator whim-gateway whim-intake)
if [ "$with_dashboard" = true ]; then services+=(whim-dashboard); fi
say "Building the services (1/2); the first build takes several minutes"
cargo build --release "${services[@]/#/--package=}"
check_settings() {
  local output
  output=$("$programs/$1" config check 2>&1) || fail "$output
       Correct the settings in $root/.env or in the environment. README.md and docs/settings.md describe them."
}
for service in "${services[@]}"; do check_settings "$service"; done
say "Building the worker, ralph and the embedder (2/2)"
cargo build --release --package whim-worker --package ralph --package whim-embedder

started=()
postgres_pid=
stop() {
  trap - EXIT INT TERM HUP
  set +e
  say "Stopping; running workers wait for the next start, which adopts them"
  local index signal
  for ((index = ${#started[@]} - 1; index >= 0; index--)); do
    signal=TERM
    # Ends Postgres without waiting for its clients.
    if [ "${started[index]}" = "$postgres_pid" ]; then signal=INT; fi
    kill -s "$signal" "${started[index]}" 2>/dev/null || continue
    wait "${started[index]}" 2>/dev/null
  done
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# The terminal is gone: a message would fail.
trap 'exec >/dev/null 2>&1; exit 129' HUP

# host_and_port URL DEFAULT_PORT
host_and_port() {
  local rest=${1#*://}
  rest=${rest##*@}
  rest=${rest%%/*}
  printf '%s %s' "${rest%%:*}" "$([[ $rest == *:* ]] && printf '%s' "${rest##*:}" || printf '%s' "$2")"
}

is_local() { [[ $1 == localhost || $1 == 127.0.0.1 ]]; }

read -r host port < <(host_and_port "${DATABASE_URL:-postgres://factory:factory@127.0.0.1:5432/factory}" 5432) || true
if ! answers "$host" "$port"; then
  is_local "$host" || fail "no Postgres answers at $host:$port (DATABASE_URL)"
  start_postgres "$port"
  started+=("$postgres_pid")
fi
timeout 60 "$programs/whim-orchestrator" migrate \
  || fail "the server at $host:$port cannot be used with DATABASE_URL; the reason is above. If it is not Whim's Postgres, stop it
       or set DATABASE_URL to another port: one that is free gets a Postgres of Whim's own."
read -r host port < <(host_and_port "${REDIS_URL:-redis://127.0.0.1:6379}" 6379) || true
if ! answers "$host" "$port"; then
  is_local "$host" || fail "no Redis answers at $host:$port (REDIS_URL)"
  start_redis "$port"
  started+=("$redis_pid")
fi
is_redis "$host" "$port" \
  || fail "the server at $host:$port is not a Redis. Stop it, or set REDIS_URL to another port: one that is free gets a Redis of
       Whim's own."

# start_service PROGRAM SECONDS: waits at most so long for the ready file.
start_service() {
  local ready=$state/run/$1.json attempt
  rm -f "$ready"
  in_background TERM "$programs/$1" --ready-file "$ready" &
  started+=("$!")
  for attempt in $(seq "$(($2 * 10))"); do
    if [ -e "$ready" ]; then return; fi
    kill -0 "${started[-1]}" 2>/dev/null || fail "$1 ended while starting; the reason is above"
    sleep 0.1
  done
  return 1
}

start_service whim-orchestrator 60 || fail "whim-orchestrator is not ready after 60 seconds; the reason is above"
start_service whim-gateway 15 || fail "whim-gateway is not ready after 15 seconds; the reason is above"
start_service whim-intake 15 || say "The intake has not polled every repository yet; its log is above"
dashboard_line=
if [ "$with_dashboard" = true ]; then
  start_service whim-dashboard 15 || fail "whim-dashboard is not ready after 15 seconds; the reason is above"
  dashboard_line="
      Dashboard   $(sed 's/.*"url":"\([^"]*\)".*/\1/' "$state/run/whim-dashboard.json")"
fi

api=http://localhost:${PORT:-3002}
say "Whim is running; Ctrl-C stops it$dashboard_line
      API         $api/api/status$([ -z "${API_KEY:-}" ] || printf ' (with the header "Authorization: Bearer <API_KEY>")')
      API docs    $api/docs
      Metrics     http://127.0.0.1:${ADMIN_PORT:-3005}/metrics
      Workers     $WORKSPACES_DIR
      Next step   label an issue \"${INTAKE_LABEL:-whim}\" in one of: $REPOS"
# If one of the services ends, the others are of little use.
wait -n "${started[@]: -${#services[@]}}" || true
fail "a service ended; its last log lines are above"
