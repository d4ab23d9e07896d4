//! The bodies of what is created. Each is made here, from the few things that may differ between workers, and what was
//! sent has to be the same to the last field.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::models::{ContainerCreateBody, NetworkCreateRequest, VolumeCreateRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;
use whim_containers::{DockerConfig, INSTANCE_LABEL, Labelled, Worker, labelled};

use crate::refusal::Refusal;

/// No orchestrator gives its workers longer to end: `STOP_GRACE_SECONDS` may not be more.
const LONGEST_GRACE_SECONDS: u64 = 600;

/// A container that may be created.
#[derive(Debug)]
pub(crate) struct CheckedContainer {
    /// Its body.
    pub(crate) body: Vec<u8>,
    /// The labels that its volume has to have.
    pub(crate) labels: HashMap<String, String>,
}

/// The body of a worker's container with this name.
pub(crate) fn container(name: &str, sent: &[u8], config: &DockerConfig) -> Result<CheckedContainer, Refusal> {
    let container: ContainerCreateBody = read(sent)?;
    let labels = container.labels.unwrap_or_default();
    let Labelled {
        id,
        item,
        epoch,
        instance,
    } = of_a_worker(&labels)?;
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
    let Some(seconds) = seconds.filter(|seconds| *seconds <= LONGEST_GRACE_SECONDS) else {
        return Err(Refusal::forbidden(format!(
            "StopTimeout is no number of seconds up to {LONGEST_GRACE_SECONDS}"
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
    let body = same(sent, &whim_containers::container(&worker, config))?;
    Ok(CheckedContainer { body, labels })
}

/// The body of a worker's volume.
pub(crate) fn volume(sent: &[u8]) -> Result<Vec<u8>, Refusal> {
    let volume: VolumeCreateRequest = read(sent)?;
    let labels = volume.labels.unwrap_or_default();
    let Labelled {
        id,
        item,
        epoch,
        instance,
    } = of_a_worker(&labels)?;
    let worker = Worker {
        id,
        item,
        epoch,
        instance,
        // These two are nothing of a volume's.
        image: "",
        environment: &BTreeMap::new(),
        stop_grace: Duration::ZERO,
    };
    same(sent, &whim_containers::volume(&worker))
}

/// The body of the network of the workers.
pub(crate) fn network(sent: &[u8], config: &DockerConfig) -> Result<Vec<u8>, Refusal> {
    let network: NetworkCreateRequest = read(sent)?;
    let labels = network.labels.unwrap_or_default();
    let instance = labels
        .get(INSTANCE_LABEL)
        .filter(|instance| is_instance(instance));
    let Some(instance) = instance else {
        return Err(no_worker_of_ours());
    };
    same(sent, &whim_containers::network(&config.network, instance))
}

fn of_a_worker(labels: &HashMap<String, String>) -> Result<Labelled<'_>, Refusal> {
    labelled(labels)
        .filter(|labelled| is_instance(labelled.instance))
        .ok_or_else(no_worker_of_ours)
}

fn no_worker_of_ours() -> Refusal {
    Refusal::forbidden("the labels are not those of Whim")
}

/// The name of an orchestrator.
fn is_instance(name: &str) -> bool {
    name.parse::<Uuid>().is_ok()
}

/// Fields that are there twice are refused, at every depth that has a type.
fn read<Body: DeserializeOwned>(sent: &[u8]) -> Result<Body, Refusal> {
    serde_json::from_slice(sent)
        .map_err(|error| Refusal::forbidden(format!("the body cannot be read: {error}")))
}

/// What is handed on: our own body, if the one that was sent is the same.
fn same(sent: &[u8], ours: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    let sent: Value = read(sent)?;
    let ours = serde_json::to_value(ours)
        .map_err(|error| Refusal::forbidden(format!("the settings make no body: {error}")))?;
    match difference("", &sent, &ours) {
        Some(difference) => Err(Refusal::forbidden(difference)),
        None => Ok(ours.to_string().into_bytes()),
    }
}

/// The first difference, in words. What was sent is not repeated: it is in the hands of somebody else.
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
                return Some(format!("nothing of Whim's has a {}", below(name)));
            }
            ours.iter().find_map(|(name, ours)| {
                let sent = sent.get(name).unwrap_or(&Value::Null);
                difference(&below(name), sent, ours)
            })
        }
        (sent, ours) if sent == ours => None,
        (_, ours) => Some(format!(
            "{place} has to be {ours} (by the settings of the socket proxy, which are those of the orchestrator)"
        )),
    }
}
