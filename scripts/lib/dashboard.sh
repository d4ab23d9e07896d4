# shellcheck shell=bash
# Builds the pages of the dashboard. Needs common.sh.

dashboard=$root/dashboard

# The oldest Node.js that the build supports.
min_node_of_dashboard=20

# The major version of Node.js; 0 without one.
node_major() {
  local version
  version=$(node --version 2>/dev/null) || version=v0
  version=${version#v}
  printf '%s' "${version%%.*}"
}

can_build_dashboard() { [ "$(node_major)" -ge "$min_node_of_dashboard" ]; }

# A digest of the frontend's files, without what is installed and built.
dashboard_digest() {
  (cd "$dashboard" && find . \( -name node_modules -o -name dist -o -name test-results -o -name playwright-report \) -prune \
    -o -type f -print0 | LC_ALL=C sort --zero-terminated | xargs --null sha256sum | sha256sum | cut -d ' ' -f 1)
}

# Installs the packages of package-lock.json, unless they are installed.
install_dashboard_packages() {
  local lock=$dashboard/package-lock.json installed=$dashboard/node_modules/.installed-lock.json
  if cmp -s "$lock" "$installed"; then return; fi
  say "Installing the packages of the dashboard with npm, into dashboard/node_modules"
  (cd "$dashboard" && quietly "Installing packages with npm" npm ci --prefer-offline --loglevel=error --no-audit \
    --no-fund --no-update-notifier)
  cp "$lock" "$installed"
}

# Builds dashboard/dist, unless it is up to date.
build_dashboard() {
  local digest stamp=$tools/dashboard.digest
  digest=$(dashboard_digest)
  if [ -f "$dashboard/dist/index.html" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$digest" ]; then return; fi
  install_dashboard_packages
  say "Building the pages of the dashboard into dashboard/dist"
  (cd "$dashboard" && quietly "Building the dashboard" npm run build)
  printf '%s\n' "$digest" >"$stamp"
}
