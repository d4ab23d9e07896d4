//! The calls that are forwarded: those that the orchestrator's runtime makes.

use hyper::Method;
use whim_containers::DockerConfig;

use crate::query::{Allowed, Query};
use crate::refusal::Refusal;

/// A parsed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Forwarded as it is: `_ping`, `version`, the network of the workers, one of their images.
    Read {
        path: String,
    },
    /// Lists of containers, volumes and networks, and events: filtered.
    List {
        path: &'static str,
        query: Query,
    },
    /// An action on a container of Whim.
    Container {
        reference: String,
        action: Action,
        query: Query,
    },
    CreateContainer {
        name: String,
    },
    CreateVolume,
    RemoveVolume {
        name: String,
    },
    CreateNetwork,
    RemoveNetwork {
        reference: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Inspect,
    Attach,
    Start,
    Stop,
    Logs,
    Remove,
}

impl Action {
    pub(crate) fn method(self) -> Method {
        match self {
            Self::Inspect | Self::Logs => Method::GET,
            Self::Attach | Self::Start | Self::Stop => Method::POST,
            Self::Remove => Method::DELETE,
        }
    }

    /// Relative to the container.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Inspect => "/json",
            Self::Attach => "/attach",
            Self::Start => "/start",
            Self::Stop => "/stop",
            Self::Logs => "/logs",
            Self::Remove => "",
        }
    }

    fn parameters(self) -> &'static [(&'static str, Allowed)] {
        match self {
            Self::Inspect | Self::Start => &[],
            Self::Attach => &[
                ("logs", Allowed::Flag),
                ("stream", Allowed::Flag),
                ("stdin", Allowed::Flag),
                ("stdout", Allowed::Flag),
                ("stderr", Allowed::Flag),
            ],
            Self::Stop => &[("t", Allowed::Number)],
            Self::Logs => &[
                ("follow", Allowed::Flag),
                ("stdout", Allowed::Flag),
                ("stderr", Allowed::Flag),
                ("since", Allowed::Number),
                ("until", Allowed::Number),
                ("timestamps", Allowed::Flag),
                ("tail", Allowed::LineCount),
            ],
            Self::Remove => &[
                ("v", Allowed::Flag),
                ("force", Allowed::Flag),
                ("link", Allowed::Exactly("false")),
            ],
        }
    }
}

impl Call {
    pub(crate) fn parse(
        method: &Method,
        path: &str,
        query: &str,
        config: &DockerConfig,
    ) -> Result<Self, Refusal> {
        let path = without_version(plain(path)?);
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let parsed = |known: &[(&'static str, Allowed)]| Query::parse(query, known);
        let without_query = |call: Self| parsed(&[]).map(|_empty| call);
        let filters = ("filters", Allowed::Anything);
        match (method.as_str(), segments.as_slice()) {
            ("GET", ["_ping" | "version"]) => without_query(Self::Read {
                path: path.to_owned(),
            }),
            ("GET", ["events"]) => {
                let mut query = parsed(&[("since", Allowed::Number), ("until", Allowed::Number), filters])?;
                query.restrict_to_exits()?;
                Ok(Self::List {
                    path: "/events",
                    query,
                })
            }
            ("GET", ["containers", "json"]) => {
                let mut query = parsed(&[
                    ("all", Allowed::Flag),
                    ("limit", Allowed::Number),
                    // Sizes take the engine minutes to compute.
                    ("size", Allowed::Exactly("false")),
                    filters,
                ])?;
                query.restrict_to_own(Some(&whim_containers::firewall_filter(&config.network)))?;
                Ok(Self::List {
                    path: "/containers/json",
                    query,
                })
            }
            ("POST", ["containers", "create"]) => {
                let query = parsed(&[("name", Allowed::Anything), ("platform", Allowed::Exactly(""))])?;
                let name = query.get("name").unwrap_or_default().to_owned();
                Ok(Self::CreateContainer { name })
            }
            ("GET", ["containers", reference, "json"]) => of_container(reference, Action::Inspect, query),
            ("GET", ["containers", reference, "logs"]) => of_container(reference, Action::Logs, query),
            ("POST", ["containers", reference, "attach"]) => of_container(reference, Action::Attach, query),
            ("POST", ["containers", reference, "start"]) => of_container(reference, Action::Start, query),
            ("POST", ["containers", reference, "stop"]) => of_container(reference, Action::Stop, query),
            ("DELETE", ["containers", reference]) => of_container(reference, Action::Remove, query),
            ("GET", ["images", image @ .., "json"]) if config.has_image(&image.join("/")) => {
                without_query(Self::Read {
                    path: path.to_owned(),
                })
            }
            ("GET", ["networks", network]) if *network == config.network => without_query(Self::Read {
                path: path.to_owned(),
            }),
            ("POST", ["networks", "create"]) => without_query(Self::CreateNetwork),
            ("DELETE", ["networks", reference]) => {
                check_name(reference)?;
                without_query(Self::RemoveNetwork {
                    reference: (*reference).to_owned(),
                })
            }
            ("GET", ["volumes"]) => list("/volumes", parsed(&[filters])?),
            ("GET", ["networks"]) => list("/networks", parsed(&[filters])?),
            ("POST", ["volumes", "create"]) => without_query(Self::CreateVolume),
            ("DELETE", ["volumes", name]) => {
                check_name(name)?;
                without_query(Self::RemoveVolume {
                    name: (*name).to_owned(),
                })
            }
            (method, _) => Err(Refusal::forbidden(format!("Whim does not call {method} {path}"))),
        }
    }
}

fn list(path: &'static str, mut query: Query) -> Result<Call, Refusal> {
    query.restrict_to_own(None)?;
    Ok(Call::List { path, query })
}

fn of_container(reference: &str, action: Action, query: &str) -> Result<Call, Refusal> {
    check_name(reference)?;
    Ok(Call::Container {
        reference: reference.to_owned(),
        action,
        query: Query::parse(query, action.parameters())?,
    })
}

/// Accepts only paths that all parsers read alike: without encoded, empty or relative segments.
fn plain(path: &str) -> Result<&str, Refusal> {
    let plain_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"/._:@-".contains(&byte);
    let odd = |segment: &str| matches!(segment, "" | "." | "..");
    let is_plain = path
        .strip_prefix('/')
        .is_some_and(|path| path.bytes().all(plain_byte) && !path.split('/').any(odd));
    if is_plain {
        Ok(path)
    } else {
        Err(Refusal::forbidden(format!(
            "the path {path:?} is encoded, relative or has empty segments"
        )))
    }
}

/// Removes the API version. Requests are forwarded without one, as the meaning of a body may depend on it.
fn without_version(path: &str) -> &str {
    let rest = path.strip_prefix("/v1.").unwrap_or_default();
    match rest.find('/') {
        Some(end) if end > 0 && rest.bytes().take(end).all(|byte| byte.is_ascii_digit()) => &rest[end..],
        Some(_) | None => path,
    }
}

/// Accepts a name or an identifier.
fn check_name(text: &str) -> Result<(), Refusal> {
    let is_name = text.len() <= 128
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if is_name {
        Ok(())
    } else {
        Err(Refusal::forbidden(format!(
            "{text:?} is not a name that Whim uses"
        )))
    }
}
