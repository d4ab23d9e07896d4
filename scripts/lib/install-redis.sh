# shellcheck shell=bash
# redis-server: from PATH, else unpacked into .tools/redis. Needs common.sh and apt.sh.

# Unpacking the package needs no root and, unlike installing it, starts no service.
install_redis() {
  if have redis-server || [ -x "$tools/redis/bin/redis-server" ]; then return 0; fi
  have apt-get || fail "this is not a Debian-like system (no apt-get). Install redis-server, then run ./scripts/setup.sh again."
  say "Unpacking redis-server into .tools/redis (tests and demo start their own; no service is installed)"
  apt-cache show redis-server >/dev/null 2>&1 || as_root "apt-get update"
  local stage=$tools/stage/redis dependency
  rm -rf "$stage"
  mkdir -p "$stage/packages" "$stage/redis/bin"
  local packages=(redis-server redis-tools)
  for dependency in $(apt-cache depends redis-server redis-tools | awk '$1 == "Depends:" && $2 ~ /^lib/ { print $2 }'); do
    package_is_installed "$dependency" || packages+=("$dependency")
  done
  (
    cd "$stage/packages"
    # The first attempt fails where the package lists are old. It also warns that apt's user cannot enter the directory.
    apt-get download -qq "${packages[@]}" 2>/dev/null || { as_root "apt-get update" && apt-get download -qq "${packages[@]}"; }
    for package in *.deb; do dpkg-deb -x "$package" "$stage/redis/root"; done
  )
  cat >"$stage/redis/bin/redis-server" <<'WRAPPER'
#!/bin/sh
# Runs the unpacked redis-server with the libraries that were unpacked beside it.
here=$(dirname "$(readlink -f "$0")")/../root/usr
LD_LIBRARY_PATH=$(echo "$here"/lib/*-linux-gnu*) exec "$here/bin/redis-server" "$@"
WRAPPER
  chmod +x "$stage/redis/bin/redis-server"
  "$stage/redis/bin/redis-server" --version >/dev/null \
    || fail "the unpacked redis-server does not run here. Install the package redis-server by hand."
  rm -rf "$tools/redis"
  mv "$stage/redis" "$tools/redis"
}
