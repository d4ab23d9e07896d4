//! What an agent used: tool calls, tokens and cost.

use ralph_contract::IterationStats;
use serde::{Deserialize, Serialize};

/// Sums over the finished iterations of one worker. A field that is missing counts as zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct WorkerStats {
    /// Tool calls of every kind.
    pub tools: u64,
    /// Tool calls that read a file.
    pub reads: u64,
    /// Tool calls that changed a file.
    pub writes: u64,
    /// Tool calls that ran a command.
    pub commands: u64,
    pub tokens: Tokens,
    /// US dollars, as reported by the harness.
    pub cost_usd: f64,
}

/// Upper bound of a cost, because an absurd number of a harness would make every later sum fail.
const MAX_COST_USD: f64 = 1e9;

impl From<IterationStats> for WorkerStats {
    fn from(stats: IterationStats) -> Self {
        let IterationStats {
            tools,
            reads,
            writes,
            commands,
            tokens_in,
            tokens_out,
            cache_read,
            cache_write,
            cost_usd,
        } = stats;
        Self {
            tools,
            reads,
            writes,
            commands,
            tokens: Tokens {
                input: tokens_in,
                output: tokens_out,
                cache_read,
                cache_write,
            },
            cost_usd: if cost_usd.is_nan() {
                0.0
            } else {
                cost_usd.clamp(0.0, MAX_COST_USD)
            },
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Tokens {
    /// Sent to the model, without those read from its cache.
    pub input: u64,
    /// Written by the model.
    pub output: u64,
    /// Read from the model's prompt cache.
    pub cache_read: u64,
    /// Written to the model's prompt cache.
    pub cache_write: u64,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_stats_of_ralph_travel_in_camel_case() {
        let stats = WorkerStats::from(IterationStats {
            tools: 6,
            reads: 1,
            writes: 2,
            commands: 3,
            tokens_in: 10,
            tokens_out: 20,
            cache_read: 30,
            cache_write: 40,
            cost_usd: 0.5,
        });
        assert_eq!(
            serde_json::to_value(stats).unwrap(),
            json!({
                "tools": 6, "reads": 1, "writes": 2, "commands": 3, "costUsd": 0.5,
                "tokens": { "input": 10, "output": 20, "cacheRead": 30, "cacheWrite": 40 },
            })
        );
    }

    #[test]
    fn a_cost_that_is_no_amount_of_money_is_clamped() {
        for (cost_usd, expected) in [
            (f64::NAN, 0.0),
            (-1.0, 0.0),
            (f64::INFINITY, MAX_COST_USD),
            (0.25, 0.25),
        ] {
            let stats = IterationStats {
                cost_usd,
                ..IterationStats::default()
            };
            assert_eq!(WorkerStats::from(stats).cost_usd, expected);
        }
    }
}
