//! Effective settings of a running program.

use serde::{Deserialize, Serialize};

/// `GET /api/settings`: the settings with which the orchestrator that answers was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Version of the orchestrator.
    pub version: String,
    /// Every setting, by name.
    pub settings: Vec<EffectiveSetting>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct EffectiveSetting {
    /// Name of the environment variable.
    pub name: String,
    /// The value or its default, with passwords in URLs masked; `null` for a secret, and for a setting without a value.
    pub value: Option<String>,
    /// Whether the variable is set.
    pub is_set: bool,
    /// Whether the value is a secret, which never leaves the orchestrator.
    pub is_secret: bool,
}
