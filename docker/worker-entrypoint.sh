#!/bin/sh
# The first program of a worker's container, below the engine's init.
#
# Reads the worker's credentials as a tar archive from standard input, so that they are never in the environment, in
# the container's settings or on a disk, and runs the worker. When the worker has ended, its volume is emptied; the
# engine keeps the log. If the worker was killed and the container was out of memory, the exit code is 70, because the
# engine reports only some of these cases.
set -eu

out_of_memory=70
# Seconds. Without credentials in time, the program that started the container has ended.
credentials_timeout=60
# Seconds. What remains is removed with the container.
removal_timeout=60

# The number of processes of this container that were killed because it was out of memory (cgroup v2, then v1).
oom_kills() {
  cat /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control 2>/dev/null |
    awk '$1 == "oom_kill" { kills += $2 } END { print kills + 0 }'
}

# Directories may be read-only, such as the module cache of Go.
empty_workspace() {
  timeout "$removal_timeout" sh -c '
    find "$1" -mindepth 1 -type d ! -perm -u+rwx -exec chmod u+rwx {} +
    find "$1" -mindepth 1 -delete
  ' sh "$WORKSPACE_DIR" 2>/dev/null || echo "whim-worker-entrypoint: $WORKSPACE_DIR is removed later" >&2
}

umask 077
timeout "$credentials_timeout" tar --extract --file=- --no-same-owner --directory="$CREDENTIALS_DIR"
before=$(oom_kills)

whim-worker </dev/null &
worker=$!
trap 'kill -TERM "$worker" 2>/dev/null || true' TERM INT
code=0
wait "$worker" || code=$?
# A signal for this shell ends the wait, but not the worker.
while kill -0 "$worker" 2>/dev/null; do
  code=0
  wait "$worker" || code=$?
done

kills=$(($(oom_kills) - before))
if [ "$kills" -gt 0 ]; then
  echo "whim-worker-entrypoint: $kills processes of this container were killed because it was out of memory (WORKER_MEMORY)" >&2
  if [ "$code" -gt 128 ]; then code=$out_of_memory; fi
fi
empty_workspace
exit "$code"
