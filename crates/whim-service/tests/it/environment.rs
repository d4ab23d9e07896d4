use std::time::Duration;

use tempfile::NamedTempFile;
use whim_service::environment::{
    ConfigError, Configured, Environment, Presence, flag, http_url, milliseconds, one_of, parsed, seconds,
    socket_address, text, url, whole_number,
};
use whim_service::secret::ExposeSecret as _;

/// The error for an operator if `read` reads these variables.
fn refusal<T>(pairs: &[(&str, &str)], read: impl FnOnce(&mut Environment) -> Option<T>) -> String {
    let environment = Environment::from_pairs(pairs.iter().copied());
    environment.build(read).map(|_| ()).unwrap_err().to_string()
}

fn accepted<T>(
    pairs: &[(&str, &str)],
    read: impl FnOnce(&mut Environment) -> Option<T>,
) -> Result<Configured<T>, ConfigError> {
    Environment::from_pairs(pairs.iter().copied()).build(read)
}

#[test]
fn all_invalid_variables_are_reported_together_with_name_value_and_accepted_values() {
    let refused = refusal(
        &[
            ("MAX_WORKERS", "abc"),
            ("COOLDOWN_SECONDS", "-1"),
            ("PORT", "70000"),
        ],
        |env| {
            let workers = env.or_default("MAX_WORKERS", 2, whole_number(1..=1000));
            let cooldown = env.or_default(
                "COOLDOWN_SECONDS",
                Duration::from_secs(60),
                seconds(Duration::ZERO..=Duration::from_secs(3600)),
            );
            let port = env.or_default("PORT", 3002_u16, whole_number(0..=u16::MAX));
            let database = env.required("DATABASE_URL", url("a Postgres URL", &["postgres"]));
            Some((workers, cooldown, port, database?))
        },
    );

    assert_eq!(
        refused,
        "MAX_WORKERS is \"abc\": expected a whole number from 1 to 1000\n\
         COOLDOWN_SECONDS is \"-1\": expected a number of seconds from 0 to 3600\n\
         PORT is \"70000\": expected a whole number from 0 to 65535\n\
         DATABASE_URL is not set: expected a Postgres URL"
    );
}

#[test]
fn an_empty_variable_is_not_set() {
    let read = |env: &mut Environment| {
        let label = env.or_default("INTAKE_LABEL", "whim".to_owned(), text("a label"));
        Some((
            label,
            env.optional("CLAUDE_MODEL", text("a model")),
            env.secret("API_KEY"),
        ))
    };
    let (label, model, key) = accepted(
        &[("INTAKE_LABEL", ""), ("CLAUDE_MODEL", "  "), ("API_KEY", "")],
        read,
    )
    .unwrap()
    .config;

    assert_eq!((label.as_str(), model, key.is_none()), ("whim", None, true));
}

#[test]
fn white_space_around_a_value_does_not_count() {
    let read = |env: &mut Environment| env.required("PORT", whole_number(1..=9999));
    assert_eq!(accepted(&[("PORT", " 3002\n")], read).unwrap().config, 3002);
}

#[test]
fn durations_accept_fractions_of_seconds() {
    let read = |env: &mut Environment| {
        let limits = Duration::ZERO..=Duration::from_secs(100);
        let cooldown = env.required("COOLDOWN_SECONDS", seconds(limits.clone()));
        let poll = env.required("POLL_INTERVAL", milliseconds(limits));
        Some((cooldown?, poll?))
    };
    let pairs = [("COOLDOWN_SECONDS", "0.5"), ("POLL_INTERVAL", "250")];

    let expected = (Duration::from_millis(500), Duration::from_millis(250));
    assert_eq!(accepted(&pairs, read).unwrap().config, expected);
}

#[test]
fn a_duration_that_is_no_number_is_refused_and_does_not_panic() {
    for value in ["nan", "inf", "1e300", "-0.1", "1s"] {
        let refused = refusal(&[("WAIT", value)], |env| {
            env.required("WAIT", seconds(Duration::ZERO..=Duration::from_secs(10)))
        });
        assert!(
            refused.ends_with("expected a number of seconds from 0 to 10"),
            "{refused}"
        );
    }
}

#[test]
fn flags_choices_and_addresses_parse() {
    let read = |env: &mut Environment| {
        let spec = env.or_default("USE_RALPH_SPEC", true, flag());
        let runtime = env.required("WORKER_RUNTIME", one_of(&[("process", 1), ("docker", 2)]));
        let address = env.required("BIND", socket_address());
        Some((spec, runtime?, address?.port()))
    };
    let pairs = [
        ("USE_RALPH_SPEC", "No"),
        ("WORKER_RUNTIME", "docker"),
        ("BIND", "[::1]:80"),
    ];

    assert_eq!(accepted(&pairs, read).unwrap().config, (false, 2, 80));
    assert_eq!(
        refusal(&[("WORKER_RUNTIME", "podman")], |env| env
            .required("WORKER_RUNTIME", one_of(&[("process", 1), ("docker", 2)]))),
        "WORKER_RUNTIME is \"podman\": expected one of: process, docker"
    );
}

#[test]
fn each_wrong_item_of_a_list_is_named() {
    let read = |env: &mut Environment| Some(env.list("RETRY_DELAYS_SECONDS", whole_number(1_u32..=3600)));

    assert_eq!(
        accepted(&[("RETRY_DELAYS_SECONDS", "60, 300,,1800,")], read)
            .unwrap()
            .config,
        [60, 300, 1800]
    );
    assert_eq!(accepted(&[], read).unwrap().config, [0; 0]);
    assert_eq!(
        refusal(&[("RETRY_DELAYS_SECONDS", "60,x,0")], read),
        "RETRY_DELAYS_SECONDS is \"x\": expected a comma-separated list, each a whole number from 1 to 3600\n\
         RETRY_DELAYS_SECONDS is \"0\": expected a comma-separated list, each a whole number from 1 to 3600"
    );
}

#[test]
fn a_refused_url_loses_its_password() {
    let read = |env: &mut Environment| env.required("DATABASE_URL", url("a Postgres URL", &["postgres"]));

    for wrong in [
        "mysql://whim:hunter2@db/whim",
        "postgres://whim:hunter2@db:port/whim",
        "whim:hunter2@db",
    ] {
        let refused = refusal(&[("DATABASE_URL", wrong)], read);
        assert!(
            refused.starts_with("DATABASE_URL is ") && !refused.contains("hunter2"),
            "{refused}"
        );
    }
}

#[test]
fn secrets_are_neither_in_errors_nor_in_the_dump() {
    let refused = refusal(&[("API_KEY", "hun\tter2")], |env| env.secret("API_KEY"));
    assert_eq!(
        refused,
        "API_KEY is (hidden): expected one line without control characters"
    );

    let read = |env: &mut Environment| {
        let key = env.secret("API_KEY");
        let database = env.required("DATABASE_URL", url("a Postgres URL", &["postgres"]));
        let port = env.or_default("PORT", 3002_u16, whole_number(0..=u16::MAX));
        Some((key?, database?, port))
    };
    let pairs = [
        ("API_KEY", "hunter2"),
        ("DATABASE_URL", "postgres://whim:hunter2@db/whim"),
    ];
    let configured = accepted(&pairs, read).unwrap();

    assert_eq!(configured.config.0.expose_secret(), "hunter2");
    assert_eq!(
        configured.effective.to_string(),
        "API_KEY=*** DATABASE_URL=postgres://whim:***@db/whim",
        "the log line names what is set"
    );
    let all: Vec<(&str, &str)> = configured.effective.iter().collect();
    assert_eq!(all.last(), Some(&("PORT", "3002")), "{all:?}");
}

#[test]
fn the_environment_itself_shows_names_only() {
    let environment = Environment::from_pairs([("API_KEY", "hunter2")]);
    assert_eq!(
        format!("{environment:?}"),
        "Environment { names: {\"API_KEY\"}, .. }"
    );
}

#[test]
fn a_secret_can_come_from_a_file() {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "hunter2\n").unwrap();
    let path = file.path().to_str().unwrap();
    let read = |env: &mut Environment| env.required_secret("GITHUB_TOKEN", "a GitHub token");

    let configured = accepted(&[("GITHUB_TOKEN_FILE", path)], read).unwrap();

    assert_eq!(configured.config.expose_secret(), "hunter2");
    assert_eq!(configured.effective.to_string(), "GITHUB_TOKEN=***");
}

#[test]
fn a_secret_that_is_missing_ambiguous_or_unreadable_is_reported() {
    let empty = NamedTempFile::new().unwrap();
    let empty = empty.path().to_str().unwrap();
    let read = |env: &mut Environment| env.required_secret("TOKEN", "a token");

    let refused = [
        refusal(&[], read),
        refusal(&[("TOKEN", "a"), ("TOKEN_FILE", "/b")], read),
        refusal(&[("TOKEN_FILE", "/does/not/exist")], read),
        refusal(&[("TOKEN_FILE", empty)], read).replace(empty, "EMPTY"),
    ];

    assert_eq!(
        refused,
        [
            "TOKEN is not set: expected a token (or TOKEN_FILE with a file that holds it)",
            "TOKEN and TOKEN_FILE are both set: set one of them",
            "TOKEN_FILE is \"/does/not/exist\": expected a readable file with the secret \
             (No such file or directory (os error 2))",
            "TOKEN_FILE is \"EMPTY\": expected a readable file with the secret (it is empty)",
        ]
    );
}

#[test]
fn a_combination_can_be_refused_with_its_value() {
    let refused = refusal(&[("USE_RALPH_SPEC", "true")], |env| {
        if env.or_default("USE_RALPH_SPEC", false, flag()) {
            env.refuse("USE_RALPH_SPEC", "not available yet");
        }
        Some(())
    });
    assert_eq!(refused, "USE_RALPH_SPEC is true: not available yet");
}

#[test]
fn the_settings_of_a_program_can_be_listed_without_any_being_set() {
    let settings = Environment::settings_of(|env| {
        let repos = env.list("REPOS", parsed::<String>("owner/name"));
        let token = env.required_secret("GITHUB_TOKEN", "a GitHub token");
        let base = env.or_default(
            "GITHUB_API_URL",
            "https://api.github.com".parse().ok()?,
            http_url(),
        );
        let model = env.optional("CLAUDE_MODEL", text("a model"));
        Some((repos, token?, base, model))
    });

    let lines: Vec<String> = settings.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "REPOS: a comma-separated list, each owner/name",
            "GITHUB_TOKEN: a GitHub token (or GITHUB_TOKEN_FILE with a file that holds it) [required]",
            "GITHUB_API_URL: a URL that starts with http:// or https:// [default: https://api.github.com]",
            "CLAUDE_MODEL: a model",
        ]
    );
    assert_eq!(settings[1].presence, Presence::Required);
}
