//! Typed identifiers. No bare UUID travels through Whim.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! typed_ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        ///
        /// A version 7 UUID: identifiers sort by the time at which they were made.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[cfg_attr(feature = "sqlx", derive(sqlx::Type), sqlx(transparent))]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new identifier, later than every one that this process made before.
            #[expect(clippy::new_without_default, reason = "two defaults would not be equal")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The identifier as the UUID that the database stores.
            pub fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+};
}

typed_ids! {
    /// One piece of work: an issue, or what was submitted by hand.
    WorkItemId,
    /// One attempt at a work item: a worker is never used twice.
    WorkerId,
    /// Something that was learned.
    LearningId,
    /// A review that a worker reported.
    ReviewId,
}

impl WorkItemId {
    /// The last eight hexadecimal digits: random, so they tell items of one millisecond apart. Used in branch names.
    pub fn short(self) -> String {
        let text = self.0.simple().to_string();
        text[text.len() - 8..].to_owned()
    }
}

/// How often an item was claimed. Every call of a worker is bound to the epoch under which it was started, so a
/// worker whose item was taken away changes nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "sqlx", derive(sqlx::Type), sqlx(transparent))]
#[serde(transparent)]
pub struct LeaseEpoch(i64);

impl LeaseEpoch {
    /// The epoch with this number; an item that was never claimed is at 0.
    pub fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// The epoch's number.
    pub fn number(self) -> i64 {
        self.0
    }
}

impl fmt::Display for LeaseEpoch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_sort_by_the_time_they_were_made() {
        let made: Vec<WorkItemId> = (0..100).map(|_| WorkItemId::new()).collect();
        assert!(made.is_sorted());
    }

    #[test]
    fn an_identifier_survives_text_and_json() {
        let id = WorkerId::new();
        assert_eq!(id.to_string().parse::<WorkerId>().unwrap(), id);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("\"{id}\""));
        assert_eq!(serde_json::from_str::<WorkerId>(&json).unwrap(), id);
    }

    #[test]
    fn short_forms_of_items_made_together_differ() {
        assert_ne!(WorkItemId::new().short(), WorkItemId::new().short());
    }
}
