#!/usr/bin/env bash
# Runs the tests that need a container engine. They are no part of the default run.
#
#   ./scripts/ci/docker.sh [TEST-FILTER...]
#
# Uses the engine that answers, else starts one and stops it after (root, Debian; see engine.sh). Where no image can be
# pulled, stand-ins of the base images are built first (base-images.sh).
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
source "$(dirname "$0")/../lib/common.sh"
cd "$root"

if [ "${WHIM_ENGINE:-}" != ready ]; then
  WHIM_ENGINE=ready exec ./scripts/ci/engine.sh "$0" "$@"
fi

docker image inspect debian:bookworm-slim >/dev/null 2>&1 || docker pull --quiet debian:bookworm-slim >/dev/null 2>&1 ||
  ./scripts/ci/base-images.sh
say "Building the image of the tests"
docker buildx build --quiet --load --file scripts/ci/test-worker/Dockerfile --tag whim-worker-test:ci . >/dev/null
cargo nextest run --package whim-orchestrator --run-ignored only -E 'test(/^docker::/)' "$@"
