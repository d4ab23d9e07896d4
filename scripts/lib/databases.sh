# shellcheck shell=bash
# An embedded Postgres and Redis that keep their data between runs. Needs common.sh and what setup.sh installed.

# Postgres refuses to run as root: then another user has to own its data.
postgres_user=nobody
data=${XDG_STATE_HOME:-$HOME/.local/state}/whim

as_postgres=()
if [ "$(id -u)" = 0 ]; then
  as_postgres=(setpriv --reuid "$postgres_user" --regid nogroup --clear-groups env HOME=/nonexistent)
fi

# Whether something answers at HOST:PORT.
answers() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }

# start_postgres PORT: a server for this user, on loopback only, under $data. Sets postgres_pid.
start_postgres() {
  local port=$1 directory=$data/postgres binaries=$tools/postgres/bin
  if [ "$(id -u)" = 0 ]; then
    # The home of root and a checkout below it cannot be entered by the user that Postgres runs as.
    directory=/var/lib/whim/postgres
    if ! "${as_postgres[@]}" test -x "$binaries/postgres"; then
      mkdir -p /var/lib/whim
      rm -rf /var/lib/whim/postgres-binaries
      # With its links: the programs find their libraries from where they really are.
      cp -R "$tools/postgres" /var/lib/whim/postgres-binaries
      binaries=/var/lib/whim/postgres-binaries/bin
    fi
  fi
  if [ ! -f "$directory/PG_VERSION" ]; then
    say "Making a database under $directory"
    mkdir -p "$directory"
    chmod 700 "$directory"
    if [ "$(id -u)" = 0 ]; then chown "$postgres_user" "$directory"; fi
    "${as_postgres[@]}" "$binaries/initdb" -D "$directory" -U factory -A trust -E UTF8 >/dev/null
  fi
  # Sessions of their own: Ctrl-C is for the script, which stops them.
  setsid "${as_postgres[@]}" "$binaries/postgres" -D "$directory" -p "$port" -k '' -c listen_addresses=127.0.0.1 \
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

# The database that the default DATABASE_URL names.
psql_is_ready() {
  "$1/psql" -h 127.0.0.1 -p "$2" -U factory -d postgres -tAc "select 1 from pg_database where datname = 'factory'" 2>/dev/null \
    | grep -q 1 || "$1/createdb" -h 127.0.0.1 -p "$2" -U factory factory 2>/dev/null
}

# start_redis PORT: on loopback only, under $data. Sets redis_pid.
start_redis() {
  local binary=$tools/redis/bin/redis-server
  [ -x "$binary" ] || binary=redis-server
  mkdir -p "$data/redis"
  setsid "$binary" --port "$1" --bind 127.0.0.1 --dir "$data/redis" --appendonly yes >>"$(log_file redis)" 2>&1 &
  redis_pid=$!
  wait_for "Redis" 127.0.0.1 "$1" "$redis_pid"
}

log_file() {
  mkdir -p "$data/logs"
  printf '%s' "$data/logs/$1.log"
}

# wait_for NAME HOST PORT PID: until it answers; fails when the process ends first.
wait_for() {
  local attempt
  for attempt in $(seq 150); do
    if answers "$2" "$3"; then return; fi
    kill -0 "$4" 2>/dev/null || fail "$1 ended while starting; the reason is above or in $data/logs"
    sleep 0.1
  done
  fail "$1 does not answer on port $3; the reason is above or in $data/logs"
}
