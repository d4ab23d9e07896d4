#!/usr/bin/env bash
# Runs a command with a container engine, compose and buildx: installed ones, else its own.
#
#   ./scripts/ci/engine.sh COMMAND [ARGUMENT...]
#
# Where no engine answers, one is started with its data in .tools/engine and ended with the command; Debian's docker.io
# is installed for it when it is missing. Needs root then. Compose and buildx that are missing are unpacked from Debian
# 13's packages into .tools/docker-plugins, where nothing else sees them.
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
source "$(dirname "$0")/../lib/common.sh"
# shellcheck source=scripts/lib/apt.sh
source "$root/scripts/lib/apt.sh"

assume_yes=true
engine=$tools/engine
case ${1:-} in
  '') fail "a command is missing (see ./scripts/ci/engine.sh --help)" ;;
  --help | -h) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
  -*) fail "unknown option $1 (see ./scripts/ci/engine.sh --help)" ;;
esac

install_plugins() {
  local plugins=$tools/docker-plugins
  export DOCKER_CONFIG=$plugins
  if docker compose version >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1; then return; fi
  say "Unpacking compose and buildx from Debian 13 into .tools/docker-plugins"
  local apt=$tools/stage/apt
  rm -rf "$apt" && mkdir -p "$apt"/{lists/partial,cache/archives/partial,unpacked} "$plugins/cli-plugins"
  printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s trixie main\n' "$(debian_mirror)" \
    >"$apt/sources.list"
  : >"$apt/status"
  local options=(-o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$apt/lists" -o "Dir::State::Status=$apt/status" -o "Dir::Cache=$apt/cache"
    -o APT::Sandbox::User=root)
  apt-get "${options[@]}" -qq update
  (cd "$apt" && apt-get "${options[@]}" -qq download docker-compose docker-buildx)
  local package
  for package in "$apt"/*.deb; do dpkg -x "$package" "$apt/unpacked"; done
  find "$apt/unpacked" -path '*/cli-plugins/docker-*' -type f -exec mv -t "$plugins/cli-plugins" {} +
  rm -rf "$apt"
  docker compose version >&2
}

start_engine() {
  if ! have dockerd; then
    need docker.io "the container engine that the tests start"
    need iptables "container networks"
  fi
  have debootstrap || need debootstrap "base images are built from the package mirror"
  install_needed
  mkdir -p "$engine"
  # Two engines on one directory would end each other.
  exec 9>"$engine/lock"
  if ! flock --nonblock 9; then
    say "Waiting for another run that uses the engine in .tools/engine"
    flock 9
  fi
  export DOCKER_HOST=unix://$engine/docker.sock
  say "Starting a container engine in .tools/engine"
  rm -f "$engine/stop"
  keep_engine &
  trap stop_engine EXIT
  export WHIM_ENGINE_PID_FILE=$engine/pid
  for _ in $(seq 100); do
    if docker version >/dev/null 2>&1; then return; fi
    sleep 0.2
  done
  tail -n 20 "$engine/log" >&2
  fail "the engine does not start"
}

# Starts it again when it ends, which tests make it do, and ends it when this script was killed.
keep_engine() {
  trap '' INT TERM
  until [ -e "$engine/stop" ]; do
    # A session of its own: Ctrl-C goes to the command, and the engine ends after it.
    setsid dockerd --data-root "$engine/data" --exec-root "$engine/exec" --pidfile "$engine/pid" \
      --host "$DOCKER_HOST" >>"$engine/log" 2>&1 </dev/null &
    while kill -0 $! 2>/dev/null; do
      # In here, too, this is the script itself.
      if ! kill -0 $$ 2>/dev/null; then
        kill $! 2>/dev/null || true
        wait $! || true
        return
      fi
      sleep 0.2
    done
  done
}

stop_engine() {
  touch "$engine/stop"
  [ -f "$engine/pid" ] || return 0
  local pid
  pid=$(cat "$engine/pid")
  kill "$pid" 2>/dev/null || return 0
  for _ in $(seq 150); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.2
  done
}

if have docker && docker version >/dev/null 2>&1; then
  install_plugins
  exec "$@"
fi
start_engine
install_plugins
"$@"
