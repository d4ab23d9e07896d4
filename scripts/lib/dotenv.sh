# shellcheck shell=bash
# Settings from the checkout's .env. Needs common.sh.

# Exports every NAME=VALUE line of .env that the environment does not set already. The file is read, not run: a value
# is taken as it stands, without the quotes around it.
load_dotenv() {
  [ -f "$root/.env" ] || return 0
  local line name value
  while IFS= read -r line || [ -n "$line" ]; do
    line=${line%$'\r'}
    [[ $line =~ ^[[:space:]]*(export[[:space:]]+)?([A-Za-z_][A-Za-z_0-9]*)=(.*)$ ]] || continue
    name=${BASH_REMATCH[2]}
    value=${BASH_REMATCH[3]}
    if [[ $value =~ ^\"(.*)\"[[:space:]]*$ || $value =~ ^\'(.*)\'[[:space:]]*$ ]]; then
      value=${BASH_REMATCH[1]}
    else
      value=${value%%[[:space:]]#*}
    fi
    if [ -z "${!name:-}" ] && [ -n "$value" ]; then export "$name=$value"; fi
  done <"$root/.env"
}

# require_setting NAME WHERE_IT_COMES_FROM
require_setting() {
  [ -n "${!1:-}" ] || fail "$1 is not set. Put it into .env (start with: cp .env.example .env). $2"
}
