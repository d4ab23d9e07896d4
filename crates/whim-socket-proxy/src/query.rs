//! Queries: what of them is understood is put together anew, and the rest is refused.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use url::form_urlencoded;
use whim_containers::INSTANCE_LABEL;

use crate::refusal::Refusal;

/// What a parameter may be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum May {
    /// `true` or `false`.
    BeFlag,
    /// Digits, as many as a time in seconds has.
    BeNumber,
    /// Digits, or `all`.
    BeLines,
    /// This and nothing else.
    Be(&'static str),
    /// Anything: whoever asks for the parameter checks it.
    BeAnything,
}

impl May {
    fn allow(self, value: &str) -> bool {
        let digits =
            |value: &str| (1..=10).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit());
        match self {
            Self::BeFlag => matches!(value, "true" | "false"),
            Self::BeNumber => digits(value),
            Self::BeLines => value == "all" || digits(value),
            Self::Be(expected) => value == expected,
            Self::BeAnything => true,
        }
    }
}

/// The parameters of a request, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query(BTreeMap<&'static str, String>);

impl Query {
    /// Reads a query that has none but these parameters.
    pub(crate) fn parse(raw: &str, known: &[(&'static str, May)]) -> Result<Self, Refusal> {
        let mut parameters = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(raw.as_bytes()) {
            let Some((name, may)) = known.iter().find(|(known, _)| *known == name) else {
                return Err(Refusal::forbidden(format!(
                    "the parameter {name:?} is none of this call's"
                )));
            };
            if !may.allow(&value) {
                return Err(Refusal::forbidden(format!(
                    "the parameter {name:?} may not be {value:?}"
                )));
            }
            if parameters.insert(*name, value.into_owned()).is_some() {
                return Err(Refusal::forbidden(format!(
                    "the parameter {name:?} is there twice"
                )));
            }
        }
        Ok(Self(parameters))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The query as it is handed on.
    pub(crate) fn text(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.0)
            .finish()
    }

    /// Leaves nothing to be found but what is of Whim's; `firewall` is the one filter that finds something else.
    pub(crate) fn keep_to_ours(
        &mut self,
        firewall: Option<&HashMap<String, Vec<String>>>,
    ) -> Result<(), Refusal> {
        let mut filters = self.filters(&["label"])?;
        if firewall.is_none_or(|firewall| filters != *firewall) {
            only_ours(&mut filters);
        }
        self.set_filters(&filters);
        Ok(())
    }

    /// Leaves no events but those of containers of Whim's that end.
    pub(crate) fn keep_to_our_ends(&mut self) -> Result<(), Refusal> {
        const ENDS: [&str; 2] = ["die", "oom"];
        let mut filters = self.filters(&["label", "type", "event"])?;
        only_ours(&mut filters);
        filters.insert("type".to_owned(), vec!["container".to_owned()]);
        let events = filters
            .entry("event".to_owned())
            .or_insert_with(|| ENDS.map(str::to_owned).into());
        if events.is_empty() || events.iter().any(|event| !ENDS.contains(&event.as_str())) {
            return Err(Refusal::forbidden("only the events \"die\" and \"oom\" are told"));
        }
        self.set_filters(&filters);
        Ok(())
    }

    fn filters(&self, known: &[&str]) -> Result<HashMap<String, Vec<String>>, Refusal> {
        let Some(raw) = self.get("filters") else {
            return Ok(HashMap::new());
        };
        let filters: HashMap<String, Vec<String>> = serde_json::from_str(raw).map_err(|error| {
            Refusal::forbidden(format!(
                "the parameter \"filters\" is no object of lists of texts: {error}"
            ))
        })?;
        match filters.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(Refusal::forbidden(format!(
                "the filter {name:?} is none of this call's"
            ))),
            None => Ok(filters),
        }
    }

    fn set_filters(&mut self, filters: &HashMap<String, Vec<String>>) {
        // Sorted, so that the same is always asked in the same words.
        let sorted: BTreeMap<&String, BTreeSet<&String>> = filters
            .iter()
            .map(|(name, values)| (name, values.iter().collect()))
            .collect();
        let text = serde_json::json!(sorted).to_string();
        self.0.insert("filters", text);
    }
}

/// The engine finds what has all the labels that are asked for; one without a value only has to be there.
fn only_ours(filters: &mut HashMap<String, Vec<String>>) {
    filters
        .entry("label".to_owned())
        .or_default()
        .push(INSTANCE_LABEL.to_owned());
}
