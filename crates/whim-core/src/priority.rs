//! Priorities of work items.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Priority in the queue: `critical` before `high` before `medium` before `low`; oldest first within a priority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(
    feature = "sqlx",
    derive(sqlx::Type),
    sqlx(type_name = "priority", rename_all = "lowercase")
)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    Critical,
    High,
    #[default]
    Medium,
    Low,
}

impl Priority {
    /// Every priority, most urgent first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Medium, Self::Low];

    /// Name in JSON, in the database and in the issue label `priority:<name>`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }

    /// The most urgent of the `priority:…` labels; without one, the default. Ignores case, as GitHub does.
    pub fn from_labels<'a>(labels: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        labels
            .into_iter()
            .filter_map(|label| label.split_once(':'))
            .filter(|(prefix, _)| prefix.trim().eq_ignore_ascii_case("priority"))
            .filter_map(|(_, name)| name.trim().to_ascii_lowercase().parse().ok())
            .min()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("priority {0:?} is unknown; expected critical, high, medium or low")]
pub struct UnknownPriority(String);

impl FromStr for Priority {
    type Err = UnknownPriority;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|priority| priority.as_str() == text)
            .ok_or_else(|| UnknownPriority(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_urgent_label_decides() {
        assert_eq!(
            Priority::from_labels(["whim", "priority:low", "priority:high"]),
            Some(Priority::High)
        );
        assert_eq!(Priority::from_labels(["bug", "priority:urgent"]), None);
    }

    #[test]
    fn labels_are_read_without_regard_to_case() {
        for label in ["Priority: High", "PRIORITY:high", "priority : HIGH"] {
            assert_eq!(Priority::from_labels([label]), Some(Priority::High), "{label}");
        }
        assert_eq!(Priority::from_labels(["my priority: high"]), None);
    }

    #[test]
    fn critical_sorts_first() {
        assert!(Priority::ALL.is_sorted());
    }
}
