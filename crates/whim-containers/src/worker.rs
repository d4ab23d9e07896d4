//! What a worker's container, volume and network look like.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountType, NetworkCreateRequest,
    ResourcesUlimits, VolumeCreateRequest,
};
use whim_core::{LeaseEpoch, WorkItemId, WorkerId};
use whim_service::machine;

use crate::settings::{Bytes, Cpus, DockerConfig};

/// On everything that an orchestrator creates; its value is the instance.
pub const INSTANCE_LABEL: &str = "whim.instance";
/// On the container of the firewall; its value is the network.
const FIREWALL_LABEL: &str = "whim.firewall";
const WORKER_LABEL: &str = "whim.worker-id";
const ITEM_LABEL: &str = "whim.work-item-id";
const EPOCH_LABEL: &str = "whim.epoch";

/// The user of workers. Numeric, so that no image can map it to root.
pub const USER_ID: u32 = 1000;

/// A tmpfs, so that credentials are never written to a disk.
const CREDENTIALS: &str = "/run/whim/credentials";
/// The volume of the attempt.
const WORKSPACE: &str = "/workspace";

/// Part of the worker image: reads the credentials from its standard input, then runs the worker.
const ENTRYPOINT: &str = "whim-worker-entrypoint";

/// Everything in which the containers of two workers may differ.
#[derive(Clone, Debug)]
pub struct Worker<'a> {
    pub id: WorkerId,
    pub item: WorkItemId,
    /// The lease epoch of the claim.
    pub epoch: LeaseEpoch,
    /// The orchestrator that owns it.
    pub instance: &'a str,
    pub image: &'a str,
    /// Not secret: everyone with access to the engine can read it.
    pub environment: &'a BTreeMap<String, String>,
    /// Time between SIGTERM and SIGKILL; rounded up to full seconds.
    pub stop_grace: Duration,
}

impl Worker<'_> {
    /// The name of its container and of its volume.
    pub fn name(&self) -> String {
        name(self.item, self.epoch)
    }
}

/// The name of an attempt's container; never reused.
pub fn name(item: WorkItemId, epoch: LeaseEpoch) -> String {
    format!("whim-{item}-{epoch}")
}

pub fn container(worker: &Worker<'_>, config: &DockerConfig) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(worker.image.to_owned()),
        entrypoint: Some(vec![ENTRYPOINT.to_owned()]),
        cmd: Some(Vec::new()),
        env: Some(environment(worker)),
        labels: Some(labels(worker)),
        user: Some(format!("{USER_ID}:{USER_ID}")),
        hostname: Some("whim-worker".to_owned()),
        working_dir: Some(WORKSPACE.to_owned()),
        // For the credentials.
        open_stdin: Some(true),
        stdin_once: Some(true),
        attach_stdin: Some(true),
        stop_timeout: Some(worker.stop_grace.as_secs_f64().ceil() as i64),
        host_config: Some(host_config(worker, config)),
        ..ContainerCreateBody::default()
    }
}

fn host_config(worker: &Worker<'_>, config: &DockerConfig) -> HostConfig {
    let Bytes(memory) = config.memory;
    let memory = i64::try_from(memory).unwrap_or(i64::MAX);
    let Cpus { thousandths } = config.cpus;
    let tmpfs = [
        (
            CREDENTIALS.to_owned(),
            format!("rw,noexec,nosuid,nodev,size=1m,mode=0700,uid={USER_ID},gid={USER_ID}"),
        ),
        (
            "/tmp".to_owned(),
            "rw,noexec,nosuid,nodev,size=512m,mode=1777".to_owned(),
        ),
    ];
    HostConfig {
        memory: Some(memory),
        // Equal to the memory: no swap, which would only delay the out-of-memory kill.
        memory_swap: Some(memory),
        nano_cpus: Some(i64::from(thousandths) * 1_000_000),
        pids_limit: Some(i64::from(config.pids.get())),
        // No core dumps: they contain the memory of the process.
        ulimits: Some(vec![ResourcesUlimits {
            name: Some("core".to_owned()),
            soft: Some(0),
            hard: Some(0),
        }]),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
        readonly_rootfs: Some(true),
        tmpfs: Some(tmpfs.into()),
        mounts: Some(vec![Mount {
            typ: Some(MountType::VOLUME),
            source: Some(worker.name()),
            target: Some(WORKSPACE.to_owned()),
            ..Mount::default()
        }]),
        init: Some(true),
        ipc_mode: Some("private".to_owned()),
        network_mode: Some(config.network.clone()),
        // For an orchestrator that runs on the host itself.
        extra_hosts: Some(vec!["host.docker.internal:host-gateway".to_owned()]),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(HashMap::from([
                ("max-size".to_owned(), "10m".to_owned()),
                ("max-file".to_owned(), "3".to_owned()),
            ])),
        }),
        runtime: config.oci_runtime.clone(),
        ..HostConfig::default()
    }
}

fn environment(worker: &Worker<'_>) -> Vec<String> {
    let mut environment: BTreeMap<&str, &str> = worker
        .environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| !machine::PATH_VARIABLES.contains(name))
        .collect();
    let id = worker.id.to_string();
    environment.insert("WHIM_ATTEMPT", &id);
    environment.insert("CREDENTIALS_DIR", CREDENTIALS);
    environment.insert("WORKSPACE_DIR", WORKSPACE);
    environment.insert("HOME", "/workspace/home");
    environment.insert("PROTECT_MEMORY", "true");
    environment
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

/// The volume of an attempt, named like its container.
pub fn volume(worker: &Worker<'_>) -> VolumeCreateRequest {
    VolumeCreateRequest {
        name: Some(worker.name()),
        labels: Some(labels(worker)),
        ..VolumeCreateRequest::default()
    }
}

/// The network of the workers. They cannot reach each other in it.
pub fn network(name: &str, instance: &str) -> NetworkCreateRequest {
    NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("bridge".to_owned()),
        options: Some(HashMap::from([(
            "com.docker.network.bridge.enable_icc".to_owned(),
            "false".to_owned(),
        )])),
        labels: Some(HashMap::from([(INSTANCE_LABEL.to_owned(), instance.to_owned())])),
        ..NetworkCreateRequest::default()
    }
}

fn labels(worker: &Worker<'_>) -> HashMap<String, String> {
    HashMap::from([
        (WORKER_LABEL.to_owned(), worker.id.to_string()),
        (ITEM_LABEL.to_owned(), worker.item.to_string()),
        (EPOCH_LABEL.to_owned(), worker.epoch.to_string()),
        (INSTANCE_LABEL.to_owned(), worker.instance.to_owned()),
    ])
}

/// Matches everything of one orchestrator.
pub fn instance_filter(instance: &str) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![format!("{INSTANCE_LABEL}={instance}")])])
}

/// Matches the container and volume of one worker.
pub fn worker_filter(instance: &str, worker: WorkerId) -> HashMap<String, Vec<String>> {
    let labels = vec![
        format!("{INSTANCE_LABEL}={instance}"),
        format!("{WORKER_LABEL}={worker}"),
    ];
    HashMap::from([("label".to_owned(), labels)])
}

/// Matches the firewall of a network.
pub fn firewall_filter(network: &str) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![format!("{FIREWALL_LABEL}={network}")])])
}

/// The labels of a worker's container or volume.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a> {
    pub worker: WorkerId,
    pub item: WorkItemId,
    /// The lease epoch of the claim.
    pub epoch: LeaseEpoch,
    /// The orchestrator that owns it.
    pub instance: &'a str,
}

impl<'a> Labels<'a> {
    /// `None` when a label is missing or invalid.
    pub fn parse(labels: &'a HashMap<String, String>) -> Option<Self> {
        Some(Self {
            worker: worker_of(labels)?,
            item: labels.get(ITEM_LABEL)?.parse().ok()?,
            epoch: LeaseEpoch::from_number(labels.get(EPOCH_LABEL)?.parse().ok()?),
            instance: labels.get(INSTANCE_LABEL)?,
        })
    }
}

/// The worker of a container, by its labels.
pub fn worker_of(labels: &HashMap<String, String>) -> Option<WorkerId> {
    labels.get(WORKER_LABEL)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use whim_service::environment::Environment;

    use super::*;

    const ID: &str = "01890000-0000-7000-8000-000000000001";

    fn config(variables: &[(&'static str, &'static str)]) -> DockerConfig {
        Environment::from_pairs(variables.iter().copied())
            .build(|env| Some(DockerConfig::read(env)))
            .unwrap()
            .config
    }

    fn body(config: &DockerConfig) -> ContainerCreateBody {
        let environment = [
            ("WORKER_ID", ID),
            ("ORCHESTRATOR_URL", "http://orchestrator:3004"),
            ("SSL_CERT_FILE", "/etc/of-this-machine.pem"),
        ];
        let worker = Worker {
            id: ID.parse().unwrap(),
            item: "01890000-0000-7000-8000-000000000002".parse().unwrap(),
            epoch: LeaseEpoch::from_number(3),
            instance: "one",
            image: &config.image,
            environment: &environment
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            stop_grace: Duration::from_secs(10),
        };
        container(&worker, config)
    }

    #[test]
    fn a_container_has_limits_no_capabilities_and_nothing_of_the_host() {
        // As a JSON value, whose keys are sorted.
        let body = serde_json::to_value(body(&config(&[]))).unwrap();
        insta::assert_json_snapshot!(body);
    }

    #[test]
    fn another_oci_runtime_image_and_limits_are_taken_from_the_settings() {
        let config = config(&[
            ("WORKER_OCI_RUNTIME", "runsc"),
            ("WORKER_IMAGE", "shop-worker:1"),
            ("WORKER_MEMORY", "512m"),
            ("WORKER_CPUS", "0.5"),
            ("WORKER_PIDS", "100"),
        ]);
        let body = body(&config);
        let host = body.host_config.unwrap();
        assert_eq!(body.image.as_deref(), Some("shop-worker:1"));
        assert_eq!(host.runtime.as_deref(), Some("runsc"));
        assert_eq!(host.memory, Some(512 << 20));
        assert_eq!(host.nano_cpus, Some(500_000_000));
        assert_eq!(host.pids_limit, Some(100));
    }
}
