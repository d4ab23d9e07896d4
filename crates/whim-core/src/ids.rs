//! Typed identifiers. No bare UUID travels through Whim.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;
use uuid::Uuid;

/// The text is not an identifier.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{value:?} is not an identifier; expected a UUID, for example `01930b5e-7d5c-7000-8000-000000000000`"
)]
pub struct InvalidId {
    value: String,
}

impl InvalidId {
    fn new(text: &str) -> Self {
        const MAX_CHARACTERS: usize = 80;
        Self {
            value: text.chars().take(MAX_CHARACTERS).collect(),
        }
    }
}

/// Reports errors of [`InvalidId`] instead of those of the `uuid` crate.
struct IdVisitor<T>(PhantomData<T>);

impl<T: FromStr<Err = InvalidId>> Visitor<'_> for IdVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a UUID")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

macro_rules! typed_ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        ///
        /// A version 7 UUID: identifiers sort by the time at which they were made.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(format = Uuid))]
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
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.parse().map(Self).map_err(|_| InvalidId::new(text))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(IdVisitor(PhantomData))
            }
        }
    )+};
}

typed_ids! {
    /// A work item: an issue, or a manual submission.
    WorkItemId,
    /// One attempt at a work item: a worker is never used twice.
    WorkerId,
    /// Something that was learned.
    LearningId,
    /// A review that a worker reported.
    ReviewId,
    /// A note of a person to the agent.
    NoteId,
}

impl WorkItemId {
    /// The last twelve hexadecimal digits, which are random: among a million items, two share them with a probability of
    /// 0.2 %. Used in branch names.
    pub fn short(self) -> String {
        let text = self.0.simple().to_string();
        text[text.len() - 12..].to_owned()
    }
}

/// Number of claims of an item. Every call of a worker is checked against the epoch under which it was started, so a
/// worker that lost its lease cannot change the item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
