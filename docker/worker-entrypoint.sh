#!/bin/sh
# The first program of a worker's container, below the engine's init.
#
# Takes the worker's credentials as a tar archive from standard input, so that they are never in the environment, in
# the container's settings or on a disk, and runs the worker. Where the kernel killed something for want of memory and
# the worker ended by a signal, it says so with the exit code 70: the engine notices only some of these.
set -eu

out_of_memory=70
# They never arrive if the orchestrator dies after the start of the container.
patience=60

# How often the kernel killed a process of this container for want of memory (cgroup v2, then v1).
oom_kills() {
  cat /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control 2>/dev/null |
    awk '$1 == "oom_kill" { kills += $2 } END { print kills + 0 }'
}

umask 077
timeout "$patience" tar --extract --file=- --no-same-owner --directory="$CREDENTIALS_DIR"
before=$(oom_kills)

whim-worker </dev/null &
worker=$!
trap 'kill -TERM "$worker" 2>/dev/null || true' TERM INT
code=0
wait "$worker" || code=$?
# A signal for us ends the wait and not the worker.
while kill -0 "$worker" 2>/dev/null; do
  code=0
  wait "$worker" || code=$?
done

kills=$(($(oom_kills) - before))
if [ "$kills" -gt 0 ]; then
  echo "whim-worker-entrypoint: $kills processes of this container were killed for want of memory (WORKER_MEMORY)" >&2
  if [ "$code" -gt 128 ]; then exit "$out_of_memory"; fi
fi
exit "$code"
