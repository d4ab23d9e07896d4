use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta};
use whim_core::FailureCause;
use whim_core::protocol::queue::Pause;
use whim_core::protocol::status::BreakerSubject;

use super::super::snapshot::Shares;
use super::*;
use crate::breakers::OpenBreakers;
use crate::config::{LimitsConfig, PerRepository};
use crate::db::breakers::Open;

const HERE: &str = "here";
const CREDENTIAL: &str = "CLAUDE_CODE_OAUTH_TOKEN";

fn limits() -> LimitsConfig {
    LimitsConfig {
        max_workers: 2,
        repositories: PerRepository::default(),
        daily_budget: 100,
        repository_budgets: PerRepository::default(),
        user_budget: None,
        cooldown: Duration::from_secs(60),
        max_iterations: NonZeroU32::MIN,
    }
}

/// Nothing is in the way of a start.
fn idle(limits: &LimitsConfig) -> Snapshot<'_> {
    Snapshot {
        limits,
        instance: HERE,
        credential: CREDENTIAL,
        paused: None,
        breakers: OpenBreakers::default(),
        live_workers: 0,
        repository_workers: BTreeMap::new(),
        usage: Usage {
            day: NaiveDate::MIN,
            used: 0,
            reserved: 0,
            resets_at: resets_at(),
        },
        shares: Shares::default(),
        cooldown: Cooldown::Over,
    }
}

fn resets_at() -> DateTime<chrono::Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(1)
}

fn open(subject: BreakerSubject, name: &str) -> Open {
    Open {
        subject,
        name: name.to_owned(),
        cause: FailureCause::ModelUnavailable,
        reason: "it broke".to_owned(),
        failures: 1,
        since: DateTime::UNIX_EPOCH,
        retry_at: DateTime::UNIX_EPOCH,
        remaining: Duration::from_secs(5),
        has_fixed_expiry: false,
        half_open: false,
        items: Vec::new(),
    }
}

fn pause() -> Pause {
    Pause {
        since: DateTime::UNIX_EPOCH,
        paused_by: None,
        reason: None,
    }
}

fn overrides(pairs: &[(&str, u32)]) -> PerRepository {
    PerRepository {
        each: None,
        by_name: counts(pairs),
    }
}

fn counts(pairs: &[(&str, u32)]) -> BTreeMap<String, u32> {
    pairs
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

/// The reasons by their codes, in order.
fn codes(reasons: &[BlockedReason]) -> Vec<String> {
    let code = |reason: &BlockedReason| serde_json::to_value(reason.to_protocol().code).unwrap();
    reasons
        .iter()
        .map(|reason| code(reason).as_str().unwrap().to_owned())
        .collect()
}

fn repo(name: &str) -> RepoName {
    RepoName::parse(name).unwrap()
}

#[test]
fn an_idle_system_grants_a_start_of_any_item() {
    let limits = limits();
    let grant = admit(&idle(&limits)).unwrap();
    assert_eq!(grant.iterations, 100);
    assert!(grant.covers_every_item());
}

#[test]
fn each_reason_blocks_on_its_own() {
    let limits = limits();
    let closed = LimitsConfig {
        max_workers: 0,
        daily_budget: 0,
        ..limits.clone()
    };
    let usage = |used, reserved| Usage {
        used,
        reserved,
        ..idle(&limits).usage
    };
    let breaker = |subject, name| OpenBreakers::new(vec![open(subject, name)]);
    let idle = || idle(&limits);
    for (snapshot, expected) in [
        (
            Snapshot {
                paused: Some(pause()),
                ..idle()
            },
            vec!["paused"],
        ),
        (
            Snapshot {
                breakers: breaker(BreakerSubject::Model, CREDENTIAL),
                ..idle()
            },
            vec!["model_unavailable"],
        ),
        (
            Snapshot {
                breakers: breaker(BreakerSubject::GitHub, ""),
                ..idle()
            },
            vec!["github_unavailable"],
        ),
        (
            Snapshot {
                breakers: breaker(BreakerSubject::Runtime, HERE),
                ..idle()
            },
            vec!["runtime_unavailable"],
        ),
        (
            Snapshot {
                live_workers: 2,
                ..idle()
            },
            vec!["no_slot"],
        ),
        (
            Snapshot {
                usage: usage(100, 0),
                ..idle()
            },
            vec!["budget_used_up"],
        ),
        (
            Snapshot {
                usage: usage(40, 60),
                ..idle()
            },
            vec!["budget_used_up"],
        ),
        (
            Snapshot {
                cooldown: Cooldown::Running {
                    remaining: Duration::from_secs(1),
                },
                ..idle()
            },
            vec!["cooldown"],
        ),
        (
            Snapshot {
                cooldown: Cooldown::RedisUnavailable,
                ..idle()
            },
            vec!["redis_unavailable"],
        ),
        (
            Snapshot {
                limits: &closed,
                ..idle()
            },
            vec!["no_slot", "budget_used_up"],
        ),
    ] {
        assert_eq!(codes(&admit(&snapshot).unwrap_err()), expected);
    }
}

#[test]
fn all_reasons_are_given_with_the_most_general_first() {
    let limits = limits();
    let snapshot = Snapshot {
        paused: Some(pause()),
        breakers: OpenBreakers::new(vec![
            open(BreakerSubject::Model, CREDENTIAL),
            open(BreakerSubject::GitHub, ""),
            open(BreakerSubject::Runtime, HERE),
        ]),
        live_workers: 3,
        usage: Usage {
            used: 300,
            ..idle(&limits).usage
        },
        cooldown: Cooldown::RedisUnavailable,
        ..idle(&limits)
    };
    assert_eq!(
        codes(&admit(&snapshot).unwrap_err()),
        [
            "paused",
            "model_unavailable",
            "github_unavailable",
            "runtime_unavailable",
            "no_slot",
            "budget_used_up",
            "redis_unavailable"
        ]
    );
}

#[test]
fn breakers_of_other_credentials_instances_and_repositories_do_not_block_everything() {
    let limits = limits();
    let snapshot = Snapshot {
        breakers: OpenBreakers::new(vec![
            open(BreakerSubject::Model, "ANTHROPIC_API_KEY"),
            open(BreakerSubject::Runtime, "elsewhere"),
            open(BreakerSubject::Repository, "octocat/broken"),
        ]),
        ..idle(&limits)
    };
    let grant = admit(&snapshot).unwrap();
    assert_eq!(grant.excluded_repositories, ["octocat/broken"]);
    let reasons = reasons_of_item(&snapshot, &repo("Octocat/Broken"), None);
    assert_eq!(codes(&reasons), ["repository_failing"]);
    assert_eq!(reasons_of_item(&snapshot, &repo("octocat/fine"), None), []);
}

#[test]
fn a_due_probe_is_granted_to_one_worker_and_prefers_items_that_did_not_fail() {
    let limits = limits();
    let failed = WorkItemId::new();
    let due = Open {
        remaining: Duration::ZERO,
        items: vec![failed],
        ..open(BreakerSubject::Runtime, HERE)
    };
    let probing = Open {
        half_open: true,
        ..due.clone()
    };
    let with = |open| Snapshot {
        breakers: OpenBreakers::new(vec![open]),
        ..idle(&limits)
    };
    let grant = admit(&with(due)).unwrap();
    assert_eq!(grant.avoided_items, [failed]);
    assert!(!grant.covers_every_item());
    assert_eq!(
        codes(&admit(&with(probing)).unwrap_err()),
        ["runtime_unavailable"]
    );
}

#[test]
fn repositories_and_users_over_their_limits_are_excluded_and_others_are_not() {
    let limits = LimitsConfig {
        repositories: PerRepository {
            each: Some(2),
            ..overrides(&[("octocat/closed", 0), ("octocat/small", 1)])
        },
        repository_budgets: overrides(&[("octocat/unpaid", 0), ("octocat/spent", 7)]),
        user_budget: Some(10),
        ..limits()
    };
    let snapshot = Snapshot {
        live_workers: 1,
        repository_workers: counts(&[("octocat/small", 1), ("octocat/busy", 2), ("octocat/fine", 1)]),
        shares: Shares {
            by_repository: counts(&[("octocat/spent", 9), ("octocat/fine", 9)]),
            by_user: counts(&[("mona", 10), ("hubot", 9)]),
        },
        ..idle(&limits)
    };

    let grant = admit(&snapshot).unwrap();

    assert_eq!(
        grant.excluded_repositories,
        [
            "octocat/busy",
            "octocat/closed",
            "octocat/small",
            "octocat/spent",
            "octocat/unpaid"
        ]
    );
    assert_eq!(grant.excluded_users, ["mona"]);
    let mona = UserName::parse("Mona").unwrap();
    for (name, user, expected) in [
        ("Octocat/Closed", None, vec!["repository_disabled"]),
        ("octocat/unpaid", None, vec!["repository_disabled"]),
        ("octocat/small", None, vec!["no_repository_slot"]),
        ("octocat/busy", None, vec!["no_repository_slot"]),
        ("octocat/spent", None, vec!["budget_used_up"]),
        ("octocat/fine", None, vec![]),
        ("octocat/fine", Some(&mona), vec!["budget_used_up"]),
        (
            "octocat/busy",
            Some(&mona),
            vec!["no_repository_slot", "budget_used_up"],
        ),
    ] {
        let reasons = reasons_of_item(&snapshot, &repo(name), user);
        assert_eq!(codes(&reasons), expected, "{name} {user:?}");
    }
    let exhausted = exhausted_budgets(&snapshot);
    let sentences: Vec<String> = exhausted.iter().map(ToString::to_string).collect();
    assert_eq!(sentences.len(), 2, "{sentences:?}");
    assert!(sentences[0].contains("octocat/spent") && sentences[1].contains("mona"));
}

#[test]
fn an_override_of_zero_has_no_retry_time_and_names_its_setting() {
    let (workers, budgets) = (
        LimitsConfig {
            repositories: overrides(&[("octocat/closed", 0)]),
            ..limits()
        },
        LimitsConfig {
            repository_budgets: overrides(&[("octocat/closed", 0)]),
            ..limits()
        },
    );
    for (limits, setting) in [
        (workers, "MAX_WORKERS_REPO_OVERRIDES"),
        (budgets, "DAILY_BUDGET_REPO_OVERRIDES"),
    ] {
        let reasons = reasons_of_item(&idle(&limits), &repo("octocat/closed"), None);
        let [reason] = reasons.as_slice() else {
            panic!("one reason: {reasons:?}");
        };
        let reason = reason.to_protocol();
        assert_eq!(reason.retry_at, None);
        assert!(reason.message.contains(setting), "{}", reason.message);
    }
}

#[test]
fn an_item_gets_what_remains_of_the_budgets_of_its_repository_and_user() {
    let limits = LimitsConfig {
        repository_budgets: overrides(&[("octocat/small", 20)]),
        user_budget: Some(10),
        ..limits()
    };
    let snapshot = Snapshot {
        shares: Shares {
            by_repository: counts(&[("octocat/small", 15)]),
            by_user: counts(&[("mona", 7)]),
        },
        ..idle(&limits)
    };
    let (mona, hubot) = (
        UserName::parse("mona").unwrap(),
        UserName::parse("hubot").unwrap(),
    );
    for (name, user, expected) in [
        ("octocat/small", None, Some(5)),
        ("Octocat/Small", Some(&mona), Some(3)),
        ("octocat/small", Some(&hubot), Some(5)),
        ("octocat/other", Some(&hubot), Some(10)),
        ("octocat/other", None, None),
    ] {
        let iterations = iterations_of_item(&snapshot, &repo(name), user);
        assert_eq!(iterations, expected, "{name} {user:?}");
    }
}
