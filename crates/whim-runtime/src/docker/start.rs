//! From a specification to a running container.

use anyhow::{Context as _, bail};
use bollard::Docker;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveVolumeOptions,
};
use whim_containers::Worker;

use super::credentials;
use super::engine::{missing_image, refusal, unless_gone};
use super::inner::Inner;
use crate::runtime::{MissingImage, RuntimeHandle};
use crate::worker_spec::WorkerSpec;

/// Length of the identifiers that the engine's own tools show.
const SHORT_ID_LENGTH: usize = 12;

impl Inner {
    pub(super) async fn start(&self, spec: &WorkerSpec) -> anyhow::Result<RuntimeHandle> {
        let docker = self.engine.connected().await?;
        let name = spec.name();
        self.cache(|cache| cache.starting.insert(name.clone()));
        let started = self.start_container(docker, spec).await;
        if started.is_err()
            && let Err(error) = self.remove(docker, &name).await
        {
            // Garbage collection finds it by its labels.
            tracing::warn!(
                name,
                error = format!("{error:#}"),
                "a container that was not started could not be removed yet"
            );
        }
        self.cache(|cache| cache.starting.remove(&name));
        started
    }

    async fn start_container(&self, docker: &Docker, spec: &WorkerSpec) -> anyhow::Result<RuntimeHandle> {
        let worker = Worker {
            id: spec.worker_id,
            item: spec.work_item_id,
            epoch: spec.epoch,
            instance: &self.instance.name,
            image: self.config.image_of(&spec.repo),
            environment: &spec.environment,
            stop_grace: self.stop_grace,
        };
        self.require_patched_runc(docker).await?;
        self.create_network(docker).await?;
        docker
            .create_volume(whim_containers::volume(&worker))
            .await
            .context("creating the volume of the workspace")?;
        let body = whim_containers::container(&worker, &self.config);
        let id = self.create(docker, spec, body).await?;
        // Before the start: the entry point waits for this input.
        let attach = AttachContainerOptionsBuilder::new()
            .stdin(true)
            .stream(true)
            .build();
        let attached = docker
            .attach_container(&id, Some(attach))
            .await
            .context("attaching to the container")?;
        docker
            .start_container(&id, None)
            .await
            .context("starting the container")?;
        credentials::send(attached.input, &spec.credentials)
            .await
            .context("handing over the credentials")?;
        Ok(RuntimeHandle(format!(
            "container {}",
            id.get(..SHORT_ID_LENGTH).unwrap_or(&id)
        )))
    }

    /// Creates the container, or adopts the one that an earlier request created whose answer was lost (`docs/faults.md`, row 4).
    async fn create(
        &self,
        docker: &Docker,
        spec: &WorkerSpec,
        body: ContainerCreateBody,
    ) -> anyhow::Result<String> {
        let name = spec.name();
        let image = body.image.clone().unwrap_or_default();
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        let mut repeated = false;
        loop {
            let created = docker.create_container(Some(options.clone()), body.clone()).await;
            let error = match created {
                Ok(created) => return Ok(created.id),
                Err(error) => error,
            };
            match refusal(&error) {
                Some(404) => return Err(error).context(MissingImage(missing_image(&image))),
                Some(409) => return self.adopt(docker, spec).await,
                None if !repeated => repeated = true,
                Some(_) | None => return Err(error).context("creating the container"),
            }
        }
    }

    async fn adopt(&self, docker: &Docker, spec: &WorkerSpec) -> anyhow::Result<String> {
        let name = spec.name();
        let found = docker
            .inspect_container(&name, None)
            .await
            .context("inspecting the container with this name")?;
        let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
        let is_ours = whim_containers::worker_of(&labels) == Some(spec.worker_id)
            && labels.get(whim_containers::INSTANCE_LABEL) == Some(&self.instance.name);
        match found.id {
            Some(id) if is_ours => Ok(id),
            Some(_) | None => {
                bail!("the name {name} is taken by a container that this orchestrator did not create")
            }
        }
    }

    /// Creates the network of the workers unless it exists.
    async fn create_network(&self, docker: &Docker) -> anyhow::Result<()> {
        let name = &self.config.network;
        match docker.inspect_network(name, None).await {
            Ok(_) => return Ok(()),
            Err(error) if refusal(&error) == Some(404) => {}
            Err(error) => return Err(error).with_context(|| format!("inspecting the network {name}")),
        }
        match docker
            .create_network(whim_containers::network(name, &self.instance.name))
            .await
        {
            Ok(_) => Ok(()),
            // Created concurrently.
            Err(error) if refusal(&error) == Some(409) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("creating the network {name}")),
        }
    }

    /// Removes a container, running or not, and the volume with its name. Neither needs to exist.
    pub(super) async fn remove(&self, docker: &Docker, name: &str) -> anyhow::Result<()> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        unless_gone(docker.remove_container(name, Some(options)).await)
            .with_context(|| format!("removing the container {name}"))?;
        unless_gone(docker.remove_volume(name, None::<RemoveVolumeOptions>).await)
            .with_context(|| format!("removing the volume {name}"))
    }
}
