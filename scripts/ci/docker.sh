#!/usr/bin/env bash
# Runs the tests that need a container engine: the step `docker` of CI.
#
#   ./scripts/ci/docker.sh [TEST-FILTER...]
#
# Images and the compose project have their own names, so that the data of a Whim on the same engine is kept.
# Uses a running engine, else starts one and stops it afterwards (root, Debian; see engine.sh). If images cannot be
# pulled, substitutes of the base images are built first (base-images.sh).
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
source "$(dirname "$0")/../lib/common.sh"
case ${1:-} in
  --help | -h) usage; exit 0 ;;
  -*) fail "unknown option $1 (see ./scripts/ci/docker.sh --help)" ;;
esac
cd "$root"

if [ "${WHIM_ENGINE:-}" != ready ]; then
  WHIM_ENGINE=ready exec ./scripts/ci/engine.sh "$0" "$@"
fi

export PULL_POLICY=never CARGO_PROFILE=${CARGO_PROFILE:-dev}
export COMPOSE_PROJECT_NAME=whim-ci WHIM_VERSION=ci WORKER_IMAGE=whim-worker:ci
if [[ ${DOCKER_HOST:-} == unix://* ]]; then export DOCKER_SOCKET=${DOCKER_HOST#unix://}; fi

# The public images if they can be pulled, else substitutes.
docker pull --quiet debian:bookworm-slim >/dev/null 2>&1 || ./scripts/ci/base-images.sh

# The same packages as everywhere in CI: others would change features and rebuild everything.
tests() { cargo nextest run --workspace --run-ignored only "$@"; }

say "Testing the container runtime, through the socket proxy"
cargo build --quiet --bins --workspace
export WHIM_TEST_SOCKET_PROXY=${CARGO_TARGET_DIR:-$root/target}/debug/whim-socket-proxy
docker buildx build --quiet --load --file scripts/ci/test-worker/Dockerfile --tag whim-worker-test:ci . >/dev/null
filter='(package(whim-runtime) & test(/^docker::/)) | (package(whim-orchestrator) & test(/^runtime::/))'
# Some tests start their own engine, which takes root.
if [ "$(id -u)" != 0 ] || ! have dockerd; then filter="($filter) & not test(/^runtime::own_engine/)"; fi
tests -E "$filter" "$@"
# With a filter, only matching tests are wanted.
[ $# = 0 ] || exit 0

say "Building the images"
demo() { docker compose --profile demo "$@"; }
docker compose --profile demo --profile build build --quiet
say "Testing Whim end to end with workers in containers"
# Only an engine that engine.sh started may be restarted.
filter='package(whim-e2e) & test(/^containers::/)'
if [ -z "${WHIM_ENGINE_PID_FILE:-}" ]; then filter="$filter & not test(engine_was_restarted)"; fi
tests -E "$filter"

say "Running the demo in containers"
trap 'demo down --volumes >/dev/null 2>&1 || true' EXIT
demo up --detach --no-build
# Not a pipe to grep -q: it would end compose with SIGPIPE, which fails with pipefail.
shown() { [[ $(demo logs --no-log-prefix stand-ins 2>/dev/null) == *'── Pull request #'* ]]; }
for _ in $(seq 300); do
  if shown; then break; fi
  if [ -z "$(demo ps --quiet stand-ins)" ]; then break; fi
  sleep 1
done
if ! shown; then
  demo logs --tail 100 >&2
  fail "the demo ended without a pull request"
fi
say "The demo ended with a pull request"
./scripts/ci/probe.sh
