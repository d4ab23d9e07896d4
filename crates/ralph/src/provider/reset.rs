//! The reset time of a limit, parsed from its message.

use std::sync::LazyLock;

use chrono::{DateTime, Datelike as _, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use regex::{Captures, Regex};

/// `resets 8pm (Europe/Berlin)`, `resets 11:30am (UTC)`, `resets Nov 24, 8pm (UTC)`, as Claude Code writes it.
static WALL_CLOCK: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)\bresets\s+(?:at\s+)?(?:([a-z]{3})[a-z]*\s+(\d{1,2}),?\s+(?:at\s+)?)?(\d{1,2})(?::(\d{2}))?\s*([ap])m\s*\(([a-z0-9_+/-]+)\)",
    )
    .ok()
});

/// `regain access on 2026-12-01 at 00:00 UTC`, as the model API writes it.
static DATE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\bregain access on (\d{4}-\d{2}-\d{2})(?: at (\d{2}):(\d{2}) UTC)?").ok());

/// A time of day that passed this recently means today, not tomorrow, as the message may be slightly old.
const JUST_PASSED: TimeDelta = TimeDelta::minutes(10);

/// The reset time as seconds since 1970 (`…limit reached|1762952400`), in RFC 3339, as a date, or as a time of day with its time zone.
/// A time of day without a zone is ambiguous and ignored.
pub(super) fn reset_time(message: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let words = message.split(|character: char| character.is_whitespace() || "|,;()".contains(character));
    words
        .into_iter()
        .find_map(|word| instant(word.trim_end_matches('.')))
        .or_else(|| date(&DATE.as_ref()?.captures(message)?))
        .or_else(|| wall_clock(&WALL_CLOCK.as_ref()?.captures(message)?, now))
}

fn instant(word: &str) -> Option<DateTime<Utc>> {
    if word.len() == 10
        && let Ok(seconds) = word.parse()
    {
        return DateTime::from_timestamp(seconds, 0);
    }
    DateTime::parse_from_rfc3339(word).ok().map(|time| time.to_utc())
}

fn date(found: &Captures<'_>) -> Option<DateTime<Utc>> {
    let number = |index: usize| {
        found
            .get(index)
            .map_or(Some(0), |text| text.as_str().parse().ok())
    };
    let day: NaiveDate = found[1].parse().ok()?;
    Some(day.and_hms_opt(number(2)?, number(3)?, 0)?.and_utc())
}

fn wall_clock(found: &Captures<'_>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let number = |index: usize| -> Option<u32> { found.get(index)?.as_str().parse().ok() };
    let zone: Tz = found.get(6)?.as_str().parse().ok()?;
    let hour = number(3).filter(|hour| (1..=12).contains(hour))? % 12;
    let afternoon = found.get(5)?.as_str().eq_ignore_ascii_case("p");
    let time = NaiveTime::from_hms_opt(hour + if afternoon { 12 } else { 0 }, number(4).unwrap_or(0), 0)?;
    let today = now.with_timezone(&zone).date_naive();
    let on = |day: NaiveDate| {
        let local = zone.from_local_datetime(&day.and_time(time));
        local.earliest().map(|time| time.to_utc())
    };
    let passed = |time: &DateTime<Utc>| *time < now - JUST_PASSED;
    match (found.get(1), number(2)) {
        (Some(month), Some(day)) => {
            let month: chrono::Month = month.as_str().parse().ok()?;
            let in_year = |year| on(NaiveDate::from_ymd_opt(year, month.number_from_month(), day)?);
            in_year(today.year())
                .filter(|time| !passed(time))
                .or_else(|| in_year(today.year() + 1))
        }
        _ => on(today)
            .filter(|time| !passed(time))
            .or_else(|| on(today.checked_add_days(Days::new(1))?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reset_time_of_a_limit_is_read_from_its_message() {
        let now = DateTime::parse_from_rfc3339("2025-11-12T12:00:00Z")
            .unwrap()
            .to_utc();
        for (message, expected) in [
            (
                "Claude AI usage limit reached|1762952400",
                Some("2025-11-12T13:00:00Z"),
            ),
            (
                "429: limited until 2025-11-12T13:00:00Z.",
                Some("2025-11-12T13:00:00Z"),
            ),
            (
                "limited (resets 2025-11-12T14:00:00+01:00)",
                Some("2025-11-12T13:00:00Z"),
            ),
            (
                "You've hit your limit · resets 8pm (Europe/Berlin)",
                Some("2025-11-12T19:00:00Z"),
            ),
            (
                "Limit reached · resets 11:30am (Asia/Calcutta) · /upgrade to Max",
                Some("2025-11-13T06:00:00Z"),
            ),
            (
                "You've hit your limit · resets 12am (UTC)",
                Some("2025-11-13T00:00:00Z"),
            ),
            (
                "You've hit your limit · resets 11:55am (UTC)",
                Some("2025-11-12T11:55:00Z"),
            ),
            (
                "You've hit your weekly limit · resets Nov 15, 8am (UTC)",
                Some("2025-11-15T08:00:00Z"),
            ),
            (
                "You've hit your weekly limit · resets Jan 2 at 8am (UTC)",
                Some("2026-01-02T08:00:00Z"),
            ),
            (
                "You will regain access on 2026-12-01 at 00:00 UTC.",
                Some("2026-12-01T00:00:00Z"),
            ),
            (
                "You will regain access on 2026-12-01.",
                Some("2026-12-01T00:00:00Z"),
            ),
            ("You've hit your limit · resets 8pm", None),
            ("You've hit your limit · resets 8pm (Atlantis)", None),
            ("You've hit your limit · resets 25pm (UTC)", None),
            ("overloaded_error", None),
        ] {
            let expected = expected.map(|time| DateTime::parse_from_rfc3339(time).unwrap().to_utc());
            assert_eq!(reset_time(message, now), expected, "{message}");
        }
    }
}
