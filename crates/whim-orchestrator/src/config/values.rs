//! Value types that several settings share.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;
use whim_core::RepoName;
use whim_service::environment::{Environment, Expected};

/// The longest duration of a setting in seconds.
pub(super) const DAY: Duration = Duration::from_hours(24);

/// The shortest interval or timeout: tests run at a fraction of real time.
pub(super) const SHORTEST: Duration = Duration::from_millis(10);

/// Limits by repository, in lower case.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ByRepository(pub(super) BTreeMap<String, u32>);

pub(super) fn limits_by_repository(max: u32) -> Expected<ByRepository> {
    Expected::new(
        format!("a list such as owner/repo=1,owner/other=3, each repository once and each limit 0 to {max}"),
        move |raw| {
            let mut limits = BTreeMap::new();
            for pair in raw.split(',') {
                let (repo, limit) = pair.split_once('=')?;
                let repo = RepoName::parse(repo.trim()).ok()?;
                let limit = limit.trim().parse().ok().filter(|limit| *limit <= max)?;
                if limits.insert(repo.as_str().to_ascii_lowercase(), limit).is_some() {
                    return None;
                }
            }
            Some(ByRepository(limits))
        },
        |ByRepository(limits)| {
            let pairs: Vec<String> = limits
                .iter()
                .map(|(repo, limit)| format!("{repo}={limit}"))
                .collect();
            pairs.join(",")
        },
    )
}

pub(super) fn retry_delays() -> Expected<Vec<Duration>> {
    const MAX_RETRIES: usize = 20;
    Expected::new(
        format!("up to {MAX_RETRIES} numbers of seconds separated by commas, such as 60,300,1800, or none"),
        |raw| {
            if raw == "none" {
                return Some(Vec::new());
            }
            let delays: Option<Vec<Duration>> = raw
                .split(',')
                .map(|item| Duration::try_from_secs_f64(item.trim().parse().ok()?).ok())
                .map(|delay| delay.filter(|delay| *delay <= DAY))
                .collect();
            delays.filter(|delays| delays.len() <= MAX_RETRIES)
        },
        |delays| {
            let shown: Vec<String> = delays
                .iter()
                .map(|delay| delay.as_secs_f64().to_string())
                .collect();
            if shown.is_empty() {
                "none".to_owned()
            } else {
                shown.join(",")
            }
        },
    )
}

pub(super) fn hours() -> Expected<Duration> {
    const MAX: f64 = 24.0 * 365.0;
    Expected::new(
        format!("a number of hours from 0 to {MAX}"),
        |raw| {
            let hours: f64 = raw.parse().ok()?;
            (0.0..=MAX)
                .contains(&hours)
                .then(|| Duration::from_secs_f64(hours * 3600.0))
        },
        |duration| (duration.as_secs_f64() / 3600.0).to_string(),
    )
}

/// A URL with a default; `None` only if the default itself is not a URL.
pub(super) fn url_or_default(
    env: &mut Environment,
    name: &'static str,
    default: &'static str,
    expected: Expected<Url>,
) -> Option<Url> {
    let default = Url::parse(default).ok()?;
    Some(env.or_default(name, default, expected))
}
