#!/usr/bin/env bash
# Connects from a worker container to what a hostile agent would try (engine, databases, host, metadata service), with the
# services of the compose file running. Everything except the orchestrator's worker port and the gateway must be refused.
#
#   ./scripts/ci/engine.sh ./scripts/ci/probe.sh
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
source "$(dirname "$0")/../lib/common.sh"
no_arguments "$@"

network=whim-workers
image=${WORKER_IMAGE:-whim-worker:0.1.0}
failures=0

# A listener on every address of this machine.
python3 -m http.server --bind 0.0.0.0 0 >/dev/null 2>&1 &
listener=$!
trap 'kill "$listener" 2>/dev/null || true' EXIT
listener_port() { ss -Hltnp 2>/dev/null | sed -n "s/.*:\([0-9]*\) .*pid=$listener,.*/\1/p" | head -n 1; }
for _ in $(seq 50); do
  port=$(listener_port)
  [ -n "$port" ] && break
  sleep 0.1
done
[ -n "$port" ] || fail "the listener of the probe does not start"

address_of() { docker inspect --format "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}" "$1"; }
container() { docker compose --project-directory "$root" ps --quiet "$1"; }
gateway=$(docker network inspect --format '{{(index .IPAM.Config 0).Gateway}}' "$network")
[ -n "$gateway" ] || gateway=172.31.250.1

# attempt ADDRESS PORT: succeeds if a worker container can connect.
attempt() {
  docker run --rm --network "$network" --cap-drop ALL --security-opt no-new-privileges --user 1000:1000 \
    --entrypoint timeout "$image" 2 bash -c "exec 3<>/dev/tcp/$1/$2" >/dev/null 2>&1
}

refused() {
  if attempt "$1" "$2"; then
    say "REACHED  $3 ($1:$2)"
    failures=$((failures + 1))
  else
    say "refused  $3 ($1:$2)"
  fi
}

allowed() {
  if attempt "$1" "$2"; then
    say "reached  $3 ($1:$2)"
  else
    say "REFUSED  $3 ($1:$2)"
    failures=$((failures + 1))
  fi
}

allowed 172.31.250.2 3004 "the orchestrator's worker port"
allowed 172.31.250.4 3008 "the gateway"
refused 172.31.250.4 3009 "the gateway's admin port"
refused 172.31.249.4 3008 "the gateway, on the network of the API"
refused 172.31.250.2 3002 "the orchestrator's API, on the workers' network"
refused 172.31.249.2 3002 "the orchestrator's API, on its own network"
refused 172.31.249.2 3005 "the orchestrator's admin port"
refused 172.31.249.3 3003 "the dashboard, on its own network"
for address in $(address_of "$(container postgres)"); do refused "$address" 5432 "Postgres"; done
for address in $(address_of "$(container redis)"); do refused "$address" 6379 "Redis"; done
refused postgres 5432 "Postgres by its name"
refused redis 6379 "Redis by its name"
for host in "$gateway" 172.17.0.1 $(hostname -I | tr ' ' '\n' | grep -F . || true); do
  refused "$host" "$port" "a port of this machine"
  refused "$host" 3002 "the published API"
  refused "$host" 3003 "the published dashboard"
  refused "$host" 2375 "the container engine"
done
refused 192.168.65.7 2375 "the container engine of a desktop"
refused 1.1.1.1 443 "a public address"
refused 8.8.8.8 53 "a public name server"
refused 172.31.249.5 4010 "GitHub, past the gateway"
refused 172.31.249.5 4020 "the model API, past the gateway"
refused github.com 443 "a public host by its name"
if docker run --rm --network "$network" --user 1000:1000 --entrypoint getent "$image" hosts github.com >/dev/null; then
  say "RESOLVED a public name"
  failures=$((failures + 1))
fi
refused 169.254.169.254 80 "the metadata service of a cloud"
if docker run --rm --network "$network" --user 1000:1000 --entrypoint test "$image" -S /var/run/docker.sock; then
  say "REACHED  the engine's socket"
  failures=$((failures + 1))
fi

[ "$failures" = 0 ] || fail "$failures probes failed"
say "All probes succeeded"
