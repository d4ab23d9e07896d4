//! Shell commands: `npm install zod`.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::pattern::pattern;

/// Programs with arguments that make a command of them. The name of a program alone (`pytest`, `docker`) may be a requirement,
/// and so may a project's own command line (`mytool init`).
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

/// Inline code that is a command as a whole, possibly with a prompt, variables before it, or another command after it.
static COMMAND: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"(?x) ^ \s* (?: \$ \s+ \S
          | (?:[A-Z_][A-Z0-9_]*=\S*\s+)* (?: {COMMANDS} | make \s+ [\w\-]+ \s* $ | cd \s+ \S+ \s* (?: && | ; | $ ) ) )"
    ))
});

/// A command outside inline code: at the beginning of a text, or after a verb such as "run".
static COMMAND_IN_PROSE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"(?x)
        (?P<verb> \b (?i: run | re-run | rerun | running | execute | executing | then ) \s+ | (?: ^ | \s ) \$ \s | ^ )
        (?P<command> (?: {COMMANDS} ) )
        (?: \s+ (?P<next> [\w'@./\-]+ ) )?"
    ))
});

/// Words that turn the text before them into a name, as in "npm install instructions" or "git commit hooks".
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
            let has_verb = captures.name("verb").is_some_and(|verb| !verb.is_empty());
            let is_name = captures
                .name("next")
                .is_some_and(|next| MAKES_IT_A_NAME.contains(&next.as_str()));
            has_verb || !is_name
        })
        .filter_map(|captures| {
            let command = captures.name("command")?;
            let end = captures.name("next").unwrap_or(command).end();
            Some(command.start()..end)
        })
        .collect()
}
