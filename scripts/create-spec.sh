#!/usr/bin/env bash
# Writes a SPEC.md in an interview with Claude Code. Run it from your project's directory.
#
#   ./scripts/create-spec.sh [--output PATH]
#   ./scripts/create-spec.sh --install [PROJECT]
#
#   --output PATH   the checklist to write (default: SPEC.md)
#   --install       copy the skill /create-spec into PROJECT (default: the current directory), for `claude` without this script
#
# CLAUDE_BIN and RALPH_BIN name the programs if they are not on PATH.
set -euo pipefail
# shellcheck source=scripts/lib/common.sh
source "$(dirname "$(readlink -f "$0")")/lib/common.sh"

skill=.claude/skills/create-spec
output=SPEC.md
install=false
project=.
while [ $# -gt 0 ]; do
  case $1 in
    --output)
      [ $# -ge 2 ] && [ -n "$2" ] || fail "--output needs the path of the checklist (see $0 --help)"
      output=$2
      shift
      ;;
    --install)
      install=true
      if [ $# -ge 2 ] && [ "${2#-}" = "$2" ]; then
        project=$2
        shift
      fi
      ;;
    --help | -h) usage; exit 0 ;;
    *) fail "unexpected argument $1 (see $0 --help)" ;;
  esac
  shift
done

# install_skill PROJECT
install_skill() {
  [ -d "$1" ] || fail "$1 is no directory"
  mkdir -p "$1/$skill"
  cp "$root/$skill/SKILL.md" "$1/$skill/SKILL.md"
}

if [ "$install" = true ]; then
  install_skill "$project"
  say "Installed $project/$skill. In that directory, start \`claude\` and enter /create-spec"
  exit 0
fi

# --- Prerequisites, all of them before the first question ---

problems=()
claude=${CLAUDE_BIN:-claude}
have "$claude" || problems+=("The Claude Code CLI is missing: npm install --global @anthropic-ai/claude-code, or set CLAUDE_BIN")
git rev-parse --is-inside-work-tree >/dev/null 2>&1 \
  || problems+=("$PWD is in no git repository: change to your project, or run git init")
if [ -z "${ANTHROPIC_API_KEY:-}" ] && [ -z "${CLAUDE_CODE_OAUTH_TOKEN:-}" ] \
  && [ ! -e "${CLAUDE_CONFIG_DIR:-$HOME/.claude}/.credentials.json" ]; then
  problems+=("No credential of the model: set ANTHROPIC_API_KEY, or log in with \`claude\`")
fi
ralph=${RALPH_BIN:-}
if [ -z "$ralph" ]; then
  for candidate in ralph "$root/target/release/ralph" "$root/target/debug/ralph"; do
    if have "$candidate"; then
      ralph=$candidate
      break
    fi
  done
fi
if [ -z "$ralph" ] || ! have "$ralph"; then
  problems+=("ralph, which validates the checklist, is missing: cargo build --release --package ralph in $root, or set RALPH_BIN")
fi
[ ! -e "$output" ] || problems+=("$output exists: move it away, or choose another file with --output")
[ -d "$(dirname "$output")" ] || problems+=("$(dirname "$output") is no directory: create it, or choose another file with --output")
if [ "${#problems[@]}" -gt 0 ]; then
  fail "the checklist cannot be written yet:
$(printf '      %s\n' "${problems[@]}")"
fi

# --- Interview ---

# Removes the skill, and what was made for it if nothing else is there by now.
remove_skill() {
  rm -f -- "$skill/SKILL.md"
  if [ "${#made[@]}" -gt 0 ]; then
    rmdir -- "${made[@]}" 2>/dev/null || true
  fi
}

# The skill of this checkout, unless the project has its own. It is removed afterwards.
if [ ! -e "$skill/SKILL.md" ]; then
  made=()
  for directory in "$skill" .claude/skills .claude; do
    [ -e "$directory" ] || made+=("$directory")
  done
  trap remove_skill EXIT
  install_skill .
fi
ralph_directory=$(cd "$(dirname "$(command -v "$ralph")")" && pwd)
say "Claude Code asks what you want, and whether it may write $output. Leave it with /exit when that is written"
PATH=$ralph_directory:$PATH "$claude" "/create-spec $output" || fail "$claude ended with exit code $?"

# --- Validation and next steps ---

[ -e "$output" ] || fail "no checklist was written to $output"
if ! "$ralph" validate "$output"; then
  fail "$output breaks the conventions above. Correct it, and check it with: $ralph validate $output"
fi
path=$(printf '%q' "$output")
remote=$(git remote get-url origin 2>/dev/null || true)
repository=$(printf '%s' "${remote%.git}" | sed -nE 's#^.*[/:]([^/:]+/[^/:]+)$#\1#p')
say "$output is ready. Next steps:"
cat <<STEPS
      Work through it here:
        ralph run --all --spec $path

      Or submit it to Whim, with jq:
        jq -n --rawfile spec $path '{repo: "${repository:-owner/repo}", spec: \$spec, priority: "medium"}' |
          curl -sS http://localhost:3002/api/work -H 'Content-Type: application/json' -d @-

      With an API key, add: -H "Authorization: Bearer \$API_KEY"
STEPS
