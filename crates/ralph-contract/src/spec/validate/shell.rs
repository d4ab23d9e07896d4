//! Shell commands: `npm install zod`.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::pattern;

/// Programs with what makes a command of them. A program's name alone (`pytest`, `docker`) is a fine thing to
/// require, and a project's own command line (`mytool init`) is what many a spec is about.
const COMMANDS: &str = r"
    (?:npm|pnpm|yarn|bun) \s+ (?:install|i|ci|add|remove|uninstall|run|test|start|build|exec|create|init|publish|update|upgrade|link|dlx|dev|lint) \b
  | (?:npx|bunx|pnpx) \s+ [\w@\-]
  | cargo \s+ (?:\+\w+\s+)? (?:build|test|run|add|check|clippy|fmt|install|new|init|update|publish|bench|doc|nextest|remove) \b
  | rustup \s+ (?:update|install|target|component|toolchain|default) \b
  | go \s+ (?:get|build|test|run|mod|install|fmt|vet|generate) \b
  | (?:pip3?|pipx|poetry|uv|conda|gem|bundle|composer|brew|apt|apt-get|yum|dnf|apk|pacman) \s+ (?:install|add|remove|update|upgrade|sync|run|exec|require|-[A-Za-z]) \b
  | python3? \s+ (?: -m \s | \S+\.py \b )
  | (?:node|deno|ruby|php|bash|sh) \s+ (?: \S+\.(?:m?[jt]s|rb|php|sh) \b | run \b )
  | php \s+ artisan \s
  | (?:rails|rake) \s+ (?: generate | db:\w+ | new ) \b
  | git \s+ (?:add|commit|push|pull|checkout|switch|clone|rebase|merge|stash|reset|branch|tag|fetch|init|mv|rm|revert|cherry-pick|diff|log|status) \b
  | gh \s+ (?:pr|issue|repo|api|release|workflow) \s
  | docker(?:-compose|\s+compose)? \s+ (?:build|run|up|down|push|pull|exec|logs|ps|stop|start|restart|tag|rm|login) \b
  | kubectl \s+ (?:apply|get|create|delete|describe|exec|logs|rollout|scale) \b
  | (?:helm|terraform) \s+ (?:install|upgrade|init|apply|plan|destroy) \b
  | dotnet \s+ (?:build|test|run|add|restore|publish|new) \b
  | (?:\./)?(?:mvnw?|gradlew?) \s+ [\w\-:]
  | (?:pytest|jest|vitest|tsc|eslint|prettier|mypy|ruff|webpack|vite|psql|redis-cli|openssl|systemctl) \s+ -{1,2}\w
  | (?:curl|wget) \s+ (?: -{1,2}\w | https?:// )
  | sudo \s+ \w | sed \s+ -i | chmod \s+ [+ugoa0-9] | rm \s+ -[rf] | mkdir \s+ -p | cp \s+ -[a-z] | export \s+ [A-Z_]+=
";

/// A whole piece of inline code that is a command: with a prompt, settings before it, or chained with another.
static COMMAND: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"(?x) ^ \s* (?: \$ \s+ \S
          | (?:[A-Z_][A-Z0-9_]*=\S*\s+)* (?: {COMMANDS} | make \s+ [\w\-]+ \s* $ | cd \s+ \S+ \s* (?: && | ; | $ ) ) )"
    ))
});

/// A command outside inline code: where it begins the text, or where one is told to run it.
static COMMAND_IN_PROSE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"(?x)
        (?P<told> \b (?i: run | re-run | rerun | running | execute | executing | then ) \s+ | (?: ^ | \s ) \$ \s | ^ )
        (?P<command> (?: {COMMANDS} ) )
        (?: \s+ (?P<next> [\w'@./\-]+ ) )?"
    ))
});

/// After these the words before them name a thing, as in "npm install instructions" or "git commit hooks".
const MAKES_IT_A_NAME: [&str; 34] = [
    "instructions",
    "instruction",
    "step",
    "steps",
    "docs",
    "documentation",
    "support",
    "command",
    "commands",
    "time",
    "times",
    "script",
    "scripts",
    "output",
    "failure",
    "failures",
    "error",
    "errors",
    "message",
    "messages",
    "hook",
    "hooks",
    "coverage",
    "is",
    "are",
    "works",
    "work",
    "passes",
    "fails",
    "succeeds",
    "history",
    "logs",
    "workflow",
    "integration",
];

/// Whether a piece of inline code is a command.
pub(super) fn is_command(code: &str) -> bool {
    COMMAND.is_match(code)
}

/// The commands in a text, outside inline code.
pub(super) fn commands_in_prose(text: &str) -> Vec<Range<usize>> {
    COMMAND_IN_PROSE
        .captures_iter(text)
        .filter(|captures| {
            let is_told = captures.name("told").is_some_and(|told| !told.is_empty());
            let is_name = captures
                .name("next")
                .is_some_and(|next| MAKES_IT_A_NAME.contains(&next.as_str()));
            is_told || !is_name
        })
        .filter_map(|captures| {
            let command = captures.name("command")?;
            let end = captures.name("next").unwrap_or(command).end();
            Some(command.start()..end)
        })
        .collect()
}
