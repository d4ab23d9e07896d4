//! List prices of the model API.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use serde::Deserialize;
use whim_core::protocol::costs::ModelTokens;

const PRICES: &str = include_str!("../../prices.toml");
const MICRO: f64 = 1e6;
/// US dollars per million tokens; beyond it, a price is a mistake.
const MAX_PRICE: f64 = 1e6;

/// The prices of models, by name.
#[derive(Clone, Debug)]
pub struct Prices {
    models: BTreeMap<String, ModelPrices>,
    /// The highest price of each kind, for models without a known one.
    dearest: Rates,
}

/// What a request cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Priced {
    /// Millionths of a US dollar, rounded up.
    pub(super) micro_dollars: u64,
    /// Whether the model has no known price, and counts as the dearest one.
    pub(super) is_guess: bool,
}

/// Why prices cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PricesError {
    #[error("PRICES_FILE: reading {}", .path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("PRICES_FILE: the format is that of prices.toml in crates/whim-orchestrator")]
    Malformed(#[source] Box<toml::de::Error>),
    #[error("PRICES_FILE: {name}: {price} is no price in US dollars per million tokens")]
    NoPrice { name: String, price: f64 },
}

#[derive(Clone, Debug)]
struct ModelPrices {
    rates: Rates,
    long: Option<LongPrompt>,
}

#[derive(Clone, Copy, Debug)]
struct LongPrompt {
    above: u64,
    rates: Rates,
}

/// Micro-dollars per million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Rates {
    input: u64,
    output: u64,
    cache_read: u64,
    cache_write: u64,
    cache_write_hour: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceList {
    models: Vec<Entry>,
}

/// US dollars per million tokens.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    /// When the price was looked up, for people.
    #[serde(rename = "date")]
    _date: NaiveDate,
    input: f64,
    output: f64,
    cache_read: f64,
    cache_write: f64,
    cache_write_hour: f64,
    long: Option<LongEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LongEntry {
    above: u64,
    input: f64,
    output: f64,
    cache_read: f64,
    cache_write: f64,
    cache_write_hour: f64,
}

impl Prices {
    /// Those of this release, and those of the operator's file in their place.
    ///
    /// # Errors
    /// The file cannot be read, or is no list of prices.
    pub fn load(file: Option<&Path>) -> Result<Self, PricesError> {
        let mut models = parse(PRICES)?;
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|source| PricesError::Unreadable {
                path: path.to_owned(),
                source,
            })?;
            models.extend(parse(&text)?);
        }
        let all = models
            .values()
            .flat_map(|model| [Some(model.rates), model.long.map(|long| long.rates)]);
        let dearest = all.flatten().fold(Rates::default(), Rates::max);
        Ok(Self { models, dearest })
    }

    pub(super) fn of(&self, model: &str, tokens: ModelTokens) -> Priced {
        let known = self.find(model);
        let rates = known.map_or(self.dearest, |model| model.rates_for(tokens));
        Priced {
            micro_dollars: rates.cost(tokens),
            is_guess: known.is_none(),
        }
    }

    /// The longest name that the model begins with, if only a version follows.
    fn find(&self, model: &str) -> Option<&ModelPrices> {
        let names = self.models.iter().filter(|(name, _)| {
            model
                .strip_prefix(name.as_str())
                .is_some_and(is_version_of_same_model)
        });
        let (_, prices) = names.max_by_key(|(name, _)| name.len())?;
        Some(prices)
    }
}

/// A date (`-20250929`), `-latest`, or the size of the context window (`[1m]`), which are no other model.
fn is_version_of_same_model(rest: &str) -> bool {
    let rest = rest.strip_suffix("[1m]").unwrap_or(rest);
    rest.is_empty()
        || rest == "-latest"
        || rest
            .strip_prefix('-')
            .is_some_and(|date| date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit()))
}

impl ModelPrices {
    fn rates_for(&self, tokens: ModelTokens) -> Rates {
        match self.long {
            Some(long) if tokens.prompt() > long.above => long.rates,
            Some(_) | None => self.rates,
        }
    }
}

impl Rates {
    fn new(
        name: &str,
        [input, output, cache_read, cache_write, hour]: [f64; 5],
    ) -> Result<Self, PricesError> {
        let rate = |price: f64| {
            if !(0.0..=MAX_PRICE).contains(&price) {
                let name = name.to_owned();
                return Err(PricesError::NoPrice { name, price });
            }
            // Within the limit, and not negative.
            Ok((price * MICRO).round() as u64)
        };
        Ok(Self {
            input: rate(input)?,
            output: rate(output)?,
            cache_read: rate(cache_read)?,
            cache_write: rate(cache_write)?,
            cache_write_hour: rate(hour)?,
        })
    }

    fn max(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            output: self.output.max(other.output),
            cache_read: self.cache_read.max(other.cache_read),
            cache_write: self.cache_write.max(other.cache_write),
            cache_write_hour: self.cache_write_hour.max(other.cache_write_hour),
        }
    }

    /// Micro-dollars, rounded up.
    fn cost(self, tokens: ModelTokens) -> u64 {
        let parts = [
            (tokens.input, self.input),
            (tokens.output, self.output),
            (tokens.cache_read, self.cache_read),
            (tokens.cache_write, self.cache_write),
            (tokens.cache_write_hour, self.cache_write_hour),
        ];
        let sum: u128 = parts
            .into_iter()
            .map(|(tokens, rate)| u128::from(tokens) * u128::from(rate))
            .sum();
        u64::try_from(sum.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

fn parse(text: &str) -> Result<BTreeMap<String, ModelPrices>, PricesError> {
    let list: PriceList = toml::from_str(text).map_err(|error| PricesError::Malformed(Box::new(error)))?;
    let mut models = BTreeMap::new();
    for entry in list.models {
        let name = entry.name;
        let rates = [
            entry.input,
            entry.output,
            entry.cache_read,
            entry.cache_write,
            entry.cache_write_hour,
        ];
        let long = match entry.long {
            Some(long) => {
                let rates = [
                    long.input,
                    long.output,
                    long.cache_read,
                    long.cache_write,
                    long.cache_write_hour,
                ];
                Some(LongPrompt {
                    above: long.above,
                    rates: Rates::new(&name, rates)?,
                })
            }
            None => None,
        };
        let rates = Rates::new(&name, rates)?;
        models.insert(name, ModelPrices { rates, long });
    }
    Ok(models)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(input: u64, output: u64) -> ModelTokens {
        ModelTokens {
            input,
            output,
            ..ModelTokens::default()
        }
    }

    #[test]
    fn every_kind_of_token_has_its_price() {
        let prices = Prices::load(None).unwrap();
        let used = ModelTokens {
            input: 1_000_000,
            output: 100_000,
            cache_read: 2_000_000,
            cache_write: 400_000,
            cache_write_hour: 50_000,
        };
        // 2.00 + 1.00 + 0.20 + 1.00 + 0.20 dollars.
        let priced = prices.of("claude-sonnet-5-5", used);
        assert_eq!((priced.micro_dollars, priced.is_guess), (4_400_000, false));
    }

    #[test]
    fn a_part_of_a_micro_dollar_counts_as_a_whole_one() {
        let prices = Prices::load(None).unwrap();
        assert_eq!(prices.of("claude-haiku-5-5", tokens(1, 0)).micro_dollars, 1);
        assert_eq!(prices.of("claude-haiku-5-5", tokens(0, 0)).micro_dollars, 0);
    }

    #[test]
    fn a_long_prompt_has_prices_of_its_own() {
        let prices = Prices::load(None).unwrap();
        assert_eq!(
            prices.of("claude-haiku-5-5", tokens(100_000, 1000)).micro_dollars,
            10_500
        );
        let long = ModelTokens {
            cache_read: 1,
            ..tokens(100_000, 1000)
        };
        assert_eq!(prices.of("claude-haiku-5-5", long).micro_dollars, 52_501);
    }

    #[test]
    fn versions_of_a_model_have_its_price_and_unknown_models_the_highest() {
        let prices = Prices::load(None).unwrap();
        let cost = |model: &str| prices.of(model, tokens(1_000_000, 0));
        for (model, dollars) in [
            ("claude-sonnet-4-5", 3),
            ("claude-sonnet-4-5-20250929", 3),
            ("claude-opus-5-5-latest", 4),
            ("claude-opus-5-5[1m]", 4),
            ("claude-opus-5", 5),
        ] {
            let priced = cost(model);
            assert_eq!(
                (priced.micro_dollars, priced.is_guess),
                (dollars * 1_000_000, false),
                "{model}"
            );
        }
        for model in [
            "claude-opus-5-7",
            "claude-opus-50",
            "gpt-7",
            "",
            "claude-sonnet-5-5-2025",
        ] {
            let priced = cost(model);
            assert_eq!(
                (priced.micro_dollars, priced.is_guess),
                (15_000_000, true),
                "{model}"
            );
        }
    }

    #[test]
    fn the_operators_file_takes_precedence_and_mistakes_in_it_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("prices.toml");
        let load = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Prices::load(Some(&file))
        };
        let entry = |name: &str, input: &str| {
            format!(
                "[[models]]\nname = \"{name}\"\ndate = \"2026-11-29\"\ninput = {input}\noutput = 1.0\ncache_read = 0.0\n\
                 cache_write = 0.0\ncache_write_hour = 0.0\n"
            )
        };
        let prices = load(&entry("claude-opus-5", "7.5")).unwrap();
        assert_eq!(
            prices.of("claude-opus-5", tokens(1_000_000, 0)).micro_dollars,
            7_500_000
        );
        assert_eq!(
            prices.of("claude-sonnet-5", tokens(1_000_000, 0)).micro_dollars,
            2_000_000
        );

        let negative = load(&entry("claude-opus-5", "-1.0")).unwrap_err().to_string();
        assert!(negative.contains("claude-opus-5: -1 is no price"), "{negative}");
        let unknown = load("[[models]]\nnam = \"x\"\n").unwrap_err().to_string();
        assert!(unknown.contains("PRICES_FILE: the format"), "{unknown}");
        let missing = Prices::load(Some(Path::new("/nowhere/prices.toml"))).unwrap_err();
        assert!(missing.to_string().contains("/nowhere/prices.toml"), "{missing}");
    }
}
