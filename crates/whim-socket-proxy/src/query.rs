//! Query strings: rebuilt from known parameters; others are refused.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use url::form_urlencoded;
use whim_containers::INSTANCE_LABEL;

use crate::refusal::Refusal;

/// The allowed values of a parameter.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Allowed {
    /// `true` or `false`.
    Flag,
    /// Up to ten digits.
    Number,
    /// Digits, or `all`.
    LineCount,
    Exactly(&'static str),
    /// Checked by the caller.
    Anything,
}

impl Allowed {
    fn allows(self, value: &str) -> bool {
        let digits =
            |value: &str| (1..=10).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit());
        match self {
            Self::Flag => matches!(value, "true" | "false"),
            Self::Number => digits(value),
            Self::LineCount => value == "all" || digits(value),
            Self::Exactly(expected) => value == expected,
            Self::Anything => true,
        }
    }
}

/// The parameters of a request, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query(BTreeMap<&'static str, String>);

impl Query {
    /// Parses a query with no parameters but these.
    pub(crate) fn parse(raw: &str, known: &[(&'static str, Allowed)]) -> Result<Self, Refusal> {
        let mut parameters = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(raw.as_bytes()) {
            let Some((name, allowed)) = known.iter().find(|(known, _)| *known == name) else {
                return Err(Refusal::forbidden(format!("this call has no parameter {name:?}")));
            };
            if !allowed.allows(&value) {
                return Err(Refusal::forbidden(format!(
                    "the parameter {name:?} may not be {value:?}"
                )));
            }
            if parameters.insert(*name, value.into_owned()).is_some() {
                return Err(Refusal::forbidden(format!("the parameter {name:?} is repeated")));
            }
        }
        Ok(Self(parameters))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The query as it is forwarded.
    pub(crate) fn text(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.0)
            .finish()
    }

    /// Restricts a list to resources with Whim's label. `firewall` is the one other filter that is allowed.
    pub(crate) fn restrict_to_own(
        &mut self,
        firewall: Option<&HashMap<String, Vec<String>>>,
    ) -> Result<(), Refusal> {
        let mut filters = self.filters(&["label"])?;
        if firewall.is_none_or(|firewall| filters != *firewall) {
            require_own_label(&mut filters);
        }
        self.set_filters(&filters);
        Ok(())
    }

    /// Restricts events to exits of Whim's containers.
    pub(crate) fn restrict_to_exits(&mut self) -> Result<(), Refusal> {
        const EXIT_EVENTS: [&str; 2] = ["die", "oom"];
        let mut filters = self.filters(&["label", "type", "event"])?;
        require_own_label(&mut filters);
        filters.insert("type".to_owned(), vec!["container".to_owned()]);
        let events = filters
            .entry("event".to_owned())
            .or_insert_with(|| EXIT_EVENTS.map(str::to_owned).into());
        if events.is_empty() || events.iter().any(|event| !EXIT_EVENTS.contains(&event.as_str())) {
            return Err(Refusal::forbidden(
                "only the events \"die\" and \"oom\" are allowed",
            ));
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
                "the parameter \"filters\" is not an object of lists of strings: {error}"
            ))
        })?;
        match filters.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(Refusal::forbidden(format!("this call has no filter {name:?}"))),
            None => Ok(filters),
        }
    }

    fn set_filters(&mut self, filters: &HashMap<String, Vec<String>>) {
        // Sorted, so that equal filters have equal texts.
        let sorted: BTreeMap<&String, BTreeSet<&String>> = filters
            .iter()
            .map(|(name, values)| (name, values.iter().collect()))
            .collect();
        let text = serde_json::json!(sorted).to_string();
        self.0.insert("filters", text);
    }
}

/// The engine lists what has all the labels of a filter, and a label without a value matches every value.
fn require_own_label(filters: &mut HashMap<String, Vec<String>>) {
    filters
        .entry("label".to_owned())
        .or_default()
        .push(INSTANCE_LABEL.to_owned());
}
