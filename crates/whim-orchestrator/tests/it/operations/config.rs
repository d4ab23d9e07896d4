//! Settings: defaults, validation, and the environment of workers.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::time::Duration;

use whim_orchestrator::config::{Config, DirectAccess, ModelCredential, WorkerAccess};
use whim_service::environment::{ConfigError, Environment, Presence};
use whim_testkit::documents::default_settings;

const NEEDED: [(&str, &str); 2] = [("GITHUB_TOKEN", "a-token"), ("ANTHROPIC_API_KEY", "a-key")];

fn read(settings: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let pairs = NEEDED.into_iter().chain(settings.iter().copied());
    Config::from_environment(Environment::from_pairs(pairs)).map(|configured| configured.config)
}

fn refused(settings: &[(&str, &str)]) -> String {
    read(settings).unwrap_err().to_string()
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let config = read(&[]).unwrap();

    assert_eq!(config.limits.max_workers, 2);
    assert_eq!(config.limits.daily_budget, 200);
    assert_eq!(config.limits.cooldown, Duration::from_secs(60));
    assert_eq!(config.limits.max_iterations.get(), 50);
    assert_eq!(config.lifecycle.stale_threshold, Duration::from_secs(300));
    assert_eq!(config.lifecycle.retries.max_retries(), 3);
    assert_eq!(config.api.address, "127.0.0.1:3002".parse().unwrap());
    assert_eq!(config.api.worker_address, "127.0.0.1:3004".parse().unwrap());
    assert_eq!(config.api.admin_address, Some("127.0.0.1:3005".parse().unwrap()));
}

#[test]
fn each_default_is_the_documented_one() {
    let documented = default_settings().unwrap();
    let mut compared = 0;
    for setting in Config::settings() {
        // A default with a password is masked.
        if let Presence::Default(default) = &setting.presence
            && !default.contains("***")
            && let Some(Some(documented)) = documented.get(setting.name)
        {
            assert_eq!(default, documented, "{}", setting.name);
            compared += 1;
        }
    }
    assert!(compared > 30, "only {compared} settings were compared");
}

#[test]
fn everything_that_is_wrong_is_reported_at_once() {
    let error = Config::from_environment(Environment::from_pairs([
        ("MAX_WORKERS", "many"),
        ("DATABASE_URL", "mysql://me:secret@host/db"),
        ("WORKER_RUNTIME", "podman"),
        ("RETRY_DELAYS_SECONDS", "60,soon"),
        ("PORT", "70000"),
    ]))
    .unwrap_err();

    insta::assert_snapshot!(error, @r#"
PORT is "70000": expected a whole number from 0 to 65535
DATABASE_URL is "mysql://me:***@host/db": expected a URL such as postgres://user:password@host:5432/database
MAX_WORKERS is "many": expected a whole number from 0 to 1000
RETRY_DELAYS_SECONDS is "60,soon": expected up to 20 numbers of seconds separated by commas, such as 60,300,1800, or none
WORKER_RUNTIME is "podman": expected one of: auto, docker, process
GITHUB_TOKEN is not set: expected a GitHub token with read and write access to contents, issues and pull requests (or GITHUB_TOKEN_FILE with a file that holds it)
ANTHROPIC_API_KEY is not set: expected an Anthropic API key, or the token of a Claude Max plan in CLAUDE_CODE_OAUTH_TOKEN (or ANTHROPIC_API_KEY_FILE with a file that holds it)
"#);
}

#[test]
fn without_a_key_only_loopback_is_served() {
    insta::assert_snapshot!(refused(&[("BIND_ADDRESS", "0.0.0.0")]), @"BIND_ADDRESS is 0.0.0.0: without API_KEY only a loopback address such as 127.0.0.1 is served; set API_KEY to serve others");
    assert!(read(&[("BIND_ADDRESS", "0.0.0.0"), ("API_KEY", "a-long-api-key")]).is_ok());
    assert!(read(&[("BIND_ADDRESS", "::1")]).is_ok());
}

#[test]
fn a_key_that_can_be_guessed_is_refused_without_showing_it() {
    insta::assert_snapshot!(refused(&[("API_KEY", "x")]), @"API_KEY is ***: expected at least 12 characters, not 1: generate one with `openssl rand -hex 32`");
    let eleven = refused(&[("BIND_ADDRESS", "0.0.0.0"), ("API_KEY", "12345678901")]);
    assert!(
        eleven.contains("not 11") && !eleven.contains("12345678901"),
        "{eleven}"
    );
    assert!(read(&[("API_KEY", "123456789012")]).is_ok());
}

#[test]
fn two_listeners_on_one_port_are_refused() {
    insta::assert_snapshot!(refused(&[("PORT", "3005"), ("WORKER_PORT", "3005")]), @"
WORKER_PORT is 3005: expected another port than PORT: each listener needs its own
ADMIN_PORT is 3005: expected another port than PORT: each listener needs its own
ADMIN_PORT is 3005: expected another port than WORKER_PORT: each listener needs its own
");
    let elsewhere = [("PORT", "3004"), ("WORKER_BIND_ADDRESS", "127.0.0.2")];
    assert!(read(&elsewhere).is_ok(), "another address is another listener");
    let any_free_port = [("PORT", "0"), ("WORKER_PORT", "0"), ("ADMIN_PORT", "0")];
    assert!(read(&any_free_port).is_ok());
}

#[test]
fn a_probe_delay_above_its_maximum_is_refused() {
    insta::assert_snapshot!(refused(&[("BREAKER_MAX_PROBE_DELAY_SECONDS", "20")]), @"BREAKER_PROBE_DELAY_SECONDS is 30: expected at most BREAKER_MAX_PROBE_DELAY_SECONDS, which is 20 seconds");
    assert!(
        read(&[
            ("BREAKER_PROBE_DELAY_SECONDS", "20"),
            ("BREAKER_MAX_PROBE_DELAY_SECONDS", "20"),
        ])
        .is_ok()
    );
}

#[test]
fn a_repository_with_two_limits_is_refused_whatever_its_case() {
    for name in ["MAX_WORKERS_REPO_OVERRIDES", "DAILY_BUDGET_REPO_OVERRIDES"] {
        let error = refused(&[(name, "acme/shop=1,Acme/Shop=2")]);
        assert!(
            error.contains(name) && error.contains("each repository once"),
            "{error}"
        );
    }
}

#[test]
fn a_lease_outlasts_two_lost_heartbeats() {
    insta::assert_snapshot!(refused(&[("STALE_THRESHOLD", "20")]), @"STALE_THRESHOLD is 20: expected at least three times HEARTBEAT_INTERVAL_SECONDS, which is 30 seconds");
    assert!(read(&[("STALE_THRESHOLD", "20"), ("HEARTBEAT_INTERVAL_SECONDS", "5")]).is_ok());
}

#[test]
fn retries_can_be_switched_off() {
    assert_eq!(
        read(&[("RETRY_DELAYS_SECONDS", "none")])
            .unwrap()
            .lifecycle
            .retries
            .max_retries(),
        0
    );
    assert_eq!(
        read(&[("RETRY_DELAYS_SECONDS", "0.5, 1")])
            .unwrap()
            .lifecycle
            .retries
            .max_retries(),
        2
    );
}

#[test]
fn the_token_of_a_plan_takes_precedence_over_the_key_that_intake_needs() {
    let config = read(&[("CLAUDE_CODE_OAUTH_TOKEN", "a-plan")]).unwrap();
    assert!(matches!(
        config.worker.access,
        WorkerAccess::Direct(DirectAccess {
            model_credential: ModelCredential::OauthToken(_),
            ..
        })
    ));
}

/// `command` would need a command that no setting provides, and `ralph` has no other harness.
#[test]
fn a_harness_that_workers_do_not_support_is_refused() {
    for harness in ["codex", "opencode", "command", "Claude"] {
        let error = refused(&[("RALPH_HARNESS", harness)]);
        assert_eq!(
            error,
            format!("RALPH_HARNESS is \"{harness}\": expected claude, the only harness that workers support")
        );
    }
}

#[test]
fn a_progress_deadline_shorter_than_running_tests_report_progress_is_refused() {
    let with = |deadline, test_timeout, heartbeat| {
        Config::from_environment(Environment::from_pairs([
            ("GITHUB_TOKEN", "a-token"),
            ("ANTHROPIC_API_KEY", "a-key"),
            ("PROGRESS_DEADLINE_SECONDS", deadline),
            ("TEST_TIMEOUT_SECONDS", test_timeout),
            ("HEARTBEAT_INTERVAL_SECONDS", heartbeat),
        ]))
    };

    // Tests may run longer than the deadline, because they report progress.
    assert!(with("3600", "7200", "10").is_ok());
    assert!(with("120", "1800", "10").is_ok());
    // Every step reports at its start, and cannot run longer than its timeout.
    assert!(with("60", "60", "10").is_ok());
    let error = with("119", "1800", "10").unwrap_err();
    insta::assert_snapshot!(error, @r#"PROGRESS_DEADLINE_SECONDS is 119: expected at least TEST_TIMEOUT_SECONDS, which is 1800, or 12 times HEARTBEAT_INTERVAL_SECONDS, which is 120: running tests report progress every 6 heartbeats"#);
    assert!(with("3600", "7200", "90").is_ok());
    assert!(with("900", "1800", "80").is_err());
}

#[test]
fn a_model_credential_is_required() {
    let without = |more: &[(&'static str, &'static str)]| {
        let pairs = [("GITHUB_TOKEN", "a-token")]
            .into_iter()
            .chain(more.iter().copied());
        Config::from_environment(Environment::from_pairs(pairs))
    };

    assert!(without(&[("CLAUDE_CODE_OAUTH_TOKEN", "a-plan")]).is_ok());
    insta::assert_snapshot!(without(&[]).unwrap_err(), @"ANTHROPIC_API_KEY is not set: expected an Anthropic API key, or the token of a Claude Max plan in CLAUDE_CODE_OAUTH_TOKEN (or ANTHROPIC_API_KEY_FILE with a file that holds it)");
}

#[test]
fn with_a_gateway_no_credential_is_required_but_its_key() {
    let with = |more: &[(&'static str, &'static str)]| {
        let pairs = [("GATEWAY_URL", "http://127.0.0.1:3008")]
            .into_iter()
            .chain(more.iter().copied());
        Config::from_environment(Environment::from_pairs(pairs)).map(|configured| configured.config)
    };
    let config = with(&[("GATEWAY_KEY", "a-long-gateway-key")]).unwrap();
    assert_eq!(config.worker.access.model_credential_name(), "ANTHROPIC_API_KEY");
    let plan = with(&[
        ("GATEWAY_KEY", "a-long-gateway-key"),
        ("CLAUDE_CODE_OAUTH_TOKEN", "set"),
    ])
    .unwrap();
    assert_eq!(
        plan.worker.access.model_credential_name(),
        "CLAUDE_CODE_OAUTH_TOKEN"
    );
    insta::assert_snapshot!(with(&[]).unwrap_err(), @"GATEWAY_KEY is not set: expected a random secret that the gateway has as well (or GATEWAY_KEY_FILE with a file that holds it)");
    insta::assert_snapshot!(with(&[("GATEWAY_KEY", "short")]).unwrap_err(), @"GATEWAY_KEY is ***: expected at least 12 characters, not 5: generate one with `openssl rand -hex 32`");
}

#[test]
fn secrets_are_neither_in_the_log_line_nor_in_debug_output() {
    let pairs = [
        ("GITHUB_TOKEN", "canary-github"),
        ("ANTHROPIC_API_KEY", "canary-anthropic"),
        ("API_KEY", "canary-api-key"),
        ("DATABASE_URL", "postgres://me:canary-database@host/db"),
        ("REDIS_URL", "redis://:canary-redis@host:6379"),
        ("HTTPS_PROXY", "http://me:canary-proxy@proxy:3128"),
    ];
    let configured = Config::from_environment(Environment::from_pairs(pairs)).unwrap();

    let log_line = configured.effective.to_string();
    assert!(!log_line.contains("canary"), "{log_line}");
    let mut config = configured.config;
    // Passed on to workers unmasked.
    config.worker.passed_on.remove("HTTPS_PROXY");
    let debug = format!("{config:?}");
    assert!(!debug.contains("canary"), "{debug}");
}

#[test]
fn the_help_lists_every_setting_once() {
    let settings = Config::settings();
    let names: BTreeSet<&str> = settings.iter().map(|setting| setting.name).collect();

    assert_eq!(names.len(), settings.len(), "a setting is listed twice");
    for name in [
        "GITHUB_TOKEN",
        "MAX_WORKERS",
        "EVENT_BATCH_MILLISECONDS",
        "STOP_GRACE_SECONDS",
    ] {
        assert!(names.contains(name), "{name} is missing");
    }
}
