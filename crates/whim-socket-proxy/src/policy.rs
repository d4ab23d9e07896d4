//! Bodies of create requests. The proxy computes each from the few fields that may differ between workers, and refuses a
//! request whose body differs.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::models::{ContainerCreateBody, NetworkCreateRequest, VolumeCreateRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;
use whim_containers::{DockerConfig, INSTANCE_LABEL, Labels, Worker};

use crate::refusal::Refusal;

/// The most that `STOP_GRACE_SECONDS` may be.
const MAX_GRACE_SECONDS: u64 = 600;

/// A container that may be created.
#[derive(Debug)]
pub(crate) struct CheckedContainer {
    pub(crate) body: Vec<u8>,
    /// The labels that its volume must have.
    pub(crate) labels: HashMap<String, String>,
}

/// The body of a worker's container with this name.
pub(crate) fn container(name: &str, sent: &[u8], config: &DockerConfig) -> Result<CheckedContainer, Refusal> {
    let container: ContainerCreateBody = read(sent)?;
    let labels = container.labels.unwrap_or_default();
    let Labels {
        worker: id,
        item,
        epoch,
        instance,
    } = worker_labels(&labels)?;
    let image = container.image.unwrap_or_default();
    if !config.has_image(&image) {
        return Err(Refusal::forbidden(format!(
            "workers do not run in the image {image:?}: name it in WORKER_IMAGE or WORKER_IMAGES"
        )));
    }
    let environment = container.env.unwrap_or_default();
    let environment: BTreeMap<String, String> = environment
        .iter()
        .filter_map(|variable| variable.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let seconds = container
        .stop_timeout
        .and_then(|seconds| u64::try_from(seconds).ok());
    let Some(seconds) = seconds.filter(|seconds| *seconds <= MAX_GRACE_SECONDS) else {
        return Err(Refusal::forbidden(format!(
            "StopTimeout is not a number of seconds up to {MAX_GRACE_SECONDS}"
        )));
    };
    let worker = Worker {
        id,
        item,
        epoch,
        instance,
        image: &image,
        environment: &environment,
        stop_grace: Duration::from_secs(seconds),
    };
    if name != worker.name() {
        return Err(Refusal::forbidden(format!(
            "the name of this worker's container is not {name:?}"
        )));
    }
    let body = require_equal(sent, &whim_containers::container(&worker, config))?;
    Ok(CheckedContainer { body, labels })
}

/// The body of a worker's volume.
pub(crate) fn volume(sent: &[u8]) -> Result<Vec<u8>, Refusal> {
    let volume: VolumeCreateRequest = read(sent)?;
    let labels = volume.labels.unwrap_or_default();
    let Labels {
        worker: id,
        item,
        epoch,
        instance,
    } = worker_labels(&labels)?;
    let worker = Worker {
        id,
        item,
        epoch,
        instance,
        // Not part of a volume.
        image: "",
        environment: &BTreeMap::new(),
        stop_grace: Duration::ZERO,
    };
    require_equal(sent, &whim_containers::volume(&worker))
}

/// The body of the network of the workers.
pub(crate) fn network(sent: &[u8], config: &DockerConfig) -> Result<Vec<u8>, Refusal> {
    let network: NetworkCreateRequest = read(sent)?;
    let labels = network.labels.unwrap_or_default();
    let instance = labels
        .get(INSTANCE_LABEL)
        .filter(|instance| is_instance(instance));
    let Some(instance) = instance else {
        return Err(wrong_labels());
    };
    require_equal(sent, &whim_containers::network(&config.network, instance))
}

fn worker_labels(labels: &HashMap<String, String>) -> Result<Labels<'_>, Refusal> {
    Labels::parse(labels)
        .filter(|labels| is_instance(labels.instance))
        .ok_or_else(wrong_labels)
}

fn wrong_labels() -> Refusal {
    Refusal::forbidden("the labels are not those of Whim")
}

fn is_instance(name: &str) -> bool {
    name.parse::<Uuid>().is_ok()
}

/// Refuses duplicate fields in every typed object.
fn read<Body: DeserializeOwned>(sent: &[u8]) -> Result<Body, Refusal> {
    serde_json::from_slice(sent)
        .map_err(|error| Refusal::forbidden(format!("the body cannot be read: {error}")))
}

/// The computed body, if the body that was sent is equal to it.
fn require_equal(sent: &[u8], ours: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    let sent: Value = read(sent)?;
    let ours = serde_json::to_value(ours)
        .map_err(|error| Refusal::forbidden(format!("the settings cannot be serialized: {error}")))?;
    match difference("", &sent, &ours) {
        Some(difference) => Err(Refusal::forbidden(difference)),
        None => Ok(ours.to_string().into_bytes()),
    }
}

/// Describes the first difference. The value that was sent is not repeated, because it is not trusted.
fn difference(place: &str, sent: &Value, ours: &Value) -> Option<String> {
    match (sent, ours) {
        (Value::Object(sent), Value::Object(ours)) => {
            let below = |name: &str| {
                if place.is_empty() {
                    name.to_owned()
                } else {
                    format!("{place}.{name}")
                }
            };
            let added = sent.keys().find(|name| !ours.contains_key(*name));
            if let Some(name) = added {
                return Some(format!("Whim sends no field {}", below(name)));
            }
            ours.iter().find_map(|(name, ours)| {
                let sent = sent.get(name).unwrap_or(&Value::Null);
                difference(&below(name), sent, ours)
            })
        }
        (sent, ours) if sent == ours => None,
        (_, ours) => Some(format!(
            "{place} must be {ours} (the settings of the socket proxy and of the orchestrator have to be the same)"
        )),
    }
}
