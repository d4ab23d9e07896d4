# shellcheck shell=bash
# A Postgres and a Redis of Whim's own, which keep their data between runs. Needs common.sh and what setup.sh installed.

# Data, logs and workspaces. Not in root's home, which the user of Postgres and of workers cannot enter.
if [ "$(id -u)" = 0 ]; then state=/var/lib/whim; else state=${XDG_STATE_HOME:-$HOME/.local/state}/whim; fi

# Postgres refuses to run as root.
postgres_user=nobody

as_postgres=()
if [ "$(id -u)" = 0 ]; then
  as_postgres=(setpriv --reuid "$postgres_user" --regid nogroup --clear-groups env HOME=/nonexistent)
fi

# Whether something listens at HOST:PORT.
answers() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }

# Whether a Redis listens at HOST:PORT, with or without a password.
is_redis() {
  local reply
  reply=$(timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1"; printf "PING\r\n" >&3; head -c 5 <&3' "$1" "$2" 2>/dev/null) || return 1
  [[ $reply == +PONG || $reply == -NOAU ]]
}

# in_background SIGNAL COMMAND...: replaces a subshell. A session of its own, so that Ctrl-C reaches the script only, which
# stops everything in order; SIGNAL if the script is killed; without the script's lock.
in_background() {
  local signal=$1
  shift
  exec setsid setpriv --pdeathsig "$signal" "$@" 8>&-
}

# Other processes of this user read the environment of the databases.
without_secrets=(env -i "PATH=$PATH" "HOME=${HOME:-/}" "LANG=${LANG:-C.UTF-8}")

# start_postgres PORT: a server for this user, on loopback only, under $state. Sets postgres_pid.
start_postgres() {
  local port=$1 directory=$state/postgres binaries=$tools/postgres/bin
  mkdir -p "$state"
  if [ "$(id -u)" = 0 ] && ! "${as_postgres[@]}" test -x "$binaries/postgres"; then
    # A checkout in root's home cannot be entered by the user of Postgres.
    rm -rf "$state/postgres-binaries"
    # Links are kept: the programs find their libraries relative to their real path.
    cp -R "$tools/postgres" "$state/postgres-binaries"
    binaries=$state/postgres-binaries/bin
  fi
  if [ ! -f "$directory/PG_VERSION" ]; then
    say "Creating a database in $directory"
    mkdir -p "$directory"
    chmod 700 "$directory"
    if [ "$(id -u)" = 0 ]; then chown "$postgres_user" "$directory"; fi
    "${as_postgres[@]}" "$binaries/initdb" -D "$directory" -U factory -A trust -E UTF8 >/dev/null
  fi
  # INT ends it without waiting for its clients. Set after the user: a change of the user clears it.
  in_background INT "${without_secrets[@]}" "${as_postgres[@]}" setpriv --pdeathsig INT "$binaries/postgres" -D "$directory" -p "$port" -k '' -c listen_addresses=127.0.0.1 \
    >>"$(log_file postgres)" 2>&1 &
  postgres_pid=$!
  wait_for "Postgres" 127.0.0.1 "$port" "$postgres_pid"
  local attempt
  for attempt in $(seq 50); do
    if psql_is_ready "$binaries" "$port"; then return; fi
    [ "$attempt" = 50 ] && fail "Postgres does not become ready; see $(log_file postgres)"
    sleep 0.2
  done
}

# Creates the database of the default DATABASE_URL.
psql_is_ready() {
  "$1/psql" -h 127.0.0.1 -p "$2" -U factory -d postgres -tAc "select 1 from pg_database where datname = 'factory'" 2>/dev/null \
    | grep -q 1 || "$1/createdb" -h 127.0.0.1 -p "$2" -U factory factory 2>/dev/null
}

# start_redis PORT: on loopback only, under $state. Sets redis_pid.
start_redis() {
  local binary=$tools/redis/bin/redis-server
  [ -x "$binary" ] || binary=redis-server
  mkdir -p "$state/redis"
  in_background TERM "${without_secrets[@]}" "$binary" --port "$1" --bind 127.0.0.1 --dir "$state/redis" --appendonly yes >>"$(log_file redis)" 2>&1 &
  redis_pid=$!
  wait_for "Redis" 127.0.0.1 "$1" "$redis_pid"
}

log_file() {
  mkdir -p "$state/logs"
  printf '%s' "$state/logs/$1.log"
}

# wait_for NAME HOST PORT PID: until it listens; fails if the process ends first.
wait_for() {
  local attempt
  for attempt in $(seq 150); do
    if answers "$2" "$3"; then return; fi
    kill -0 "$4" 2>/dev/null || fail "$1 ended while starting; the reason is above or in $state/logs"
    sleep 0.1
  done
  fail "$1 does not answer on port $3; the reason is above or in $state/logs"
}
