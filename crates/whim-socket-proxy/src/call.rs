//! What may be asked of the engine: the calls that the orchestrator's runtime makes.

use hyper::Method;
use whim_containers::DockerConfig;

use crate::query::{May, Query};
use crate::refusal::Refusal;

/// A request, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Answered by the engine as it is: `_ping`, `version`, the network of the workers, one of their images.
    Look { path: String },
    /// Lists of containers, volumes and networks, and events: filtered.
    List { path: &'static str, query: Query },
    /// A container of Whim's.
    Container {
        reference: String,
        action: Action,
        query: Query,
    },
    /// A new container, with the name.
    CreateContainer { name: String },
    /// A new volume.
    CreateVolume,
    /// The end of a volume of Whim's.
    RemoveVolume { name: String },
    /// The network of the workers, where nobody made it before.
    CreateNetwork,
    /// The end of a network that Whim made.
    RemoveNetwork { reference: String },
}

/// What is done with a container.
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

    /// Below the container.
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

    fn parameters(self) -> &'static [(&'static str, May)] {
        match self {
            Self::Inspect | Self::Start => &[],
            Self::Attach => &[
                ("logs", May::BeFlag),
                ("stream", May::BeFlag),
                ("stdin", May::BeFlag),
                ("stdout", May::BeFlag),
                ("stderr", May::BeFlag),
            ],
            Self::Stop => &[("t", May::BeNumber)],
            Self::Logs => &[
                ("follow", May::BeFlag),
                ("stdout", May::BeFlag),
                ("stderr", May::BeFlag),
                ("since", May::BeNumber),
                ("until", May::BeNumber),
                ("timestamps", May::BeFlag),
                ("tail", May::BeLines),
            ],
            Self::Remove => &[
                ("v", May::BeFlag),
                ("force", May::BeFlag),
                ("link", May::Be("false")),
            ],
        }
    }
}

impl Call {
    /// Understands method, path and query.
    pub(crate) fn parse(
        method: &Method,
        path: &str,
        query: &str,
        config: &DockerConfig,
    ) -> Result<Self, Refusal> {
        let path = without_version(plain(path)?);
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let parsed = |known: &[(&'static str, May)]| Query::parse(query, known);
        let nothing_more = |call: Self| parsed(&[]).map(|_empty| call);
        let filters = ("filters", May::BeAnything);
        match (method.as_str(), segments.as_slice()) {
            ("GET", ["_ping" | "version"]) => nothing_more(Self::Look {
                path: path.to_owned(),
            }),
            ("GET", ["events"]) => {
                let mut query = parsed(&[("since", May::BeNumber), ("until", May::BeNumber), filters])?;
                query.keep_to_our_ends()?;
                Ok(Self::List {
                    path: "/events",
                    query,
                })
            }
            ("GET", ["containers", "json"]) => {
                let mut query = parsed(&[
                    ("all", May::BeFlag),
                    ("limit", May::BeNumber),
                    // To add up sizes takes the engine minutes of work on the disk.
                    ("size", May::Be("false")),
                    filters,
                ])?;
                query.keep_to_ours(Some(&whim_containers::firewall_filter(&config.network)))?;
                Ok(Self::List {
                    path: "/containers/json",
                    query,
                })
            }
            ("POST", ["containers", "create"]) => {
                let query = parsed(&[("name", May::BeAnything), ("platform", May::Be(""))])?;
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
                nothing_more(Self::Look {
                    path: path.to_owned(),
                })
            }
            ("GET", ["networks", network]) if *network == config.network => nothing_more(Self::Look {
                path: path.to_owned(),
            }),
            ("POST", ["networks", "create"]) => nothing_more(Self::CreateNetwork),
            ("DELETE", ["networks", reference]) => {
                is_word(reference)?;
                nothing_more(Self::RemoveNetwork {
                    reference: (*reference).to_owned(),
                })
            }
            ("GET", ["volumes"]) => list("/volumes", parsed(&[filters])?),
            ("GET", ["networks"]) => list("/networks", parsed(&[filters])?),
            ("POST", ["volumes", "create"]) => nothing_more(Self::CreateVolume),
            ("DELETE", ["volumes", name]) => {
                is_word(name)?;
                nothing_more(Self::RemoveVolume {
                    name: (*name).to_owned(),
                })
            }
            (method, _) => Err(Refusal::forbidden(format!(
                "{method} {path} is no call that Whim makes"
            ))),
        }
    }
}

fn list(path: &'static str, mut query: Query) -> Result<Call, Refusal> {
    query.keep_to_ours(None)?;
    Ok(Call::List { path, query })
}

fn of_container(reference: &str, action: Action, query: &str) -> Result<Call, Refusal> {
    is_word(reference)?;
    Ok(Call::Container {
        reference: reference.to_owned(),
        action,
        query: Query::parse(query, action.parameters())?,
    })
}

/// A path that every reader takes for the same: nothing in it is encoded, repeated, empty or relative.
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
            "the path {path:?} is not a plain one"
        )))
    }
}

/// The engine has its calls below each version of its interface too. What it does is asked of the newest, as it is
/// without a version: what a body means would depend on it.
fn without_version(path: &str) -> &str {
    let rest = path.strip_prefix("/v1.").unwrap_or_default();
    match rest.find('/') {
        Some(end) if end > 0 && rest.bytes().take(end).all(|byte| byte.is_ascii_digit()) => &rest[end..],
        Some(_) | None => path,
    }
}

/// A name or an identifier.
fn is_word(text: &str) -> Result<(), Refusal> {
    let is_word = text.len() <= 128
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if is_word {
        Ok(())
    } else {
        Err(Refusal::forbidden(format!("{text:?} is no name of Whim's")))
    }
}
