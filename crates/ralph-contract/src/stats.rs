//! The usage of an iteration.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Deserializer, Serialize};

/// The usage of one iteration, or the sum of several.
///
/// On the wire the token counts are nested:
/// `{"tools":3,"reads":1,"writes":1,"commands":1,"tokens":{"in":10,"out":5,"cache_read":0,"cache_write":0},"cost_usd":0.01}`.
/// A field that is missing or `null` counts as zero, because not every harness reports all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Wire", into = "Wire")]
pub struct IterationStats {
    /// Number of tool calls.
    pub tools: u64,
    /// Number of tool calls that read.
    pub reads: u64,
    /// Number of tool calls that changed a file.
    pub writes: u64,
    /// Number of tool calls that ran a command.
    pub commands: u64,
    /// Tokens sent to the model, without those read from its cache.
    pub tokens_in: u64,
    /// Tokens that the model wrote.
    pub tokens_out: u64,
    /// Tokens read from the model's prompt cache.
    pub cache_read: u64,
    /// Tokens written to the model's prompt cache.
    pub cache_write: u64,
    /// In US dollars, as the harness reports it.
    pub cost_usd: f64,
}

/// Counts of one iteration, or the sum of several.
#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(default, deserialize_with = "null_as_default")]
    tools: u64,
    #[serde(default, deserialize_with = "null_as_default")]
    reads: u64,
    #[serde(default, deserialize_with = "null_as_default")]
    writes: u64,
    #[serde(default, deserialize_with = "null_as_default")]
    commands: u64,
    #[serde(default, deserialize_with = "null_as_default")]
    tokens: WireTokens,
    #[serde(default, deserialize_with = "null_as_default")]
    cost_usd: f64,
}

/// Tokens by where they went.
#[derive(Default, Serialize, Deserialize)]
struct WireTokens {
    #[serde(default, rename = "in", deserialize_with = "null_as_default")]
    input: u64,
    #[serde(default, rename = "out", deserialize_with = "null_as_default")]
    output: u64,
    #[serde(default, deserialize_with = "null_as_default")]
    cache_read: u64,
    #[serde(default, deserialize_with = "null_as_default")]
    cache_write: u64,
}

fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl From<Wire> for IterationStats {
    fn from(wire: Wire) -> Self {
        let Wire {
            tools,
            reads,
            writes,
            commands,
            tokens,
            cost_usd,
        } = wire;
        let WireTokens {
            input,
            output,
            cache_read,
            cache_write,
        } = tokens;
        Self {
            tools,
            reads,
            writes,
            commands,
            tokens_in: input,
            tokens_out: output,
            cache_read,
            cache_write,
            cost_usd,
        }
    }
}

impl From<IterationStats> for Wire {
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
        let tokens = WireTokens {
            input: tokens_in,
            output: tokens_out,
            cache_read,
            cache_write,
        };
        Self {
            tools,
            reads,
            writes,
            commands,
            tokens,
            cost_usd,
        }
    }
}

/// Saturates, because the numbers of a harness are not trusted.
impl AddAssign for IterationStats {
    fn add_assign(&mut self, other: Self) {
        let Self {
            tools,
            reads,
            writes,
            commands,
            tokens_in,
            tokens_out,
            cache_read,
            cache_write,
            cost_usd,
        } = other;
        self.tools = self.tools.saturating_add(tools);
        self.reads = self.reads.saturating_add(reads);
        self.writes = self.writes.saturating_add(writes);
        self.commands = self.commands.saturating_add(commands);
        self.tokens_in = self.tokens_in.saturating_add(tokens_in);
        self.tokens_out = self.tokens_out.saturating_add(tokens_out);
        self.cache_read = self.cache_read.saturating_add(cache_read);
        self.cache_write = self.cache_write.saturating_add(cache_write);
        self.cost_usd += cost_usd;
    }
}

impl Add for IterationStats {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl Sum for IterationStats {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::default(), Add::add)
    }
}
