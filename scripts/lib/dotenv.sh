# shellcheck shell=bash
# Settings from the checkout's .env. Needs common.sh.

# Exports every NAME=VALUE line of .env that the environment does not set already. The file is read, not run: a value
# is taken as it stands, without the quotes around it.
load_dotenv() {
  [ -f "$root/.env" ] || return 0
  local line name value number=0
  while IFS= read -r line || [ -n "$line" ]; do
    line=${line%$'\r'}
    number=$((number + 1))
    if [[ $line =~ ^[[:space:]]*(#.*)?$ ]]; then continue; fi
    [[ $line =~ ^[[:space:]]*(export[[:space:]]+)?([A-Za-z_][A-Za-z_0-9]*)=(.*)$ ]] ||
      fail ".env, line $number: expected NAME=VALUE, without spaces around ="
    name=${BASH_REMATCH[2]}
    value=${BASH_REMATCH[3]}
    if [[ $value =~ ^\"(.*)\"[[:space:]]*$ || $value =~ ^\'(.*)\'[[:space:]]*$ ]]; then
      value=${BASH_REMATCH[1]}
    elif [[ $value =~ ^[\"\'] ]]; then
      fail ".env, line $number: the quote of $name is not closed"
    else
      value=${value%%[[:space:]]#*}
    fi
    if [ -z "${!name:-}" ] && [ -n "$value" ]; then export "$name=$value"; fi
  done <"$root/.env"
}

# require_setting NAME WHERE_IT_COMES_FROM
require_setting() {
  local file=${1}_FILE
  [ -n "${!1:-}" ] || [ -n "${!file:-}" ] || fail "$1 is not set. Put it into .env (start with: cp .env.example .env). $2"
}
