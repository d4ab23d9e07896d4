//! Garbage collection: containers, volumes and networks of ended attempts.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use anyhow::Context as _;
use bollard::Docker;
use bollard::query_parameters::{ListNetworksOptionsBuilder, ListVolumesOptionsBuilder, RemoveVolumeOptions};
use chrono::Utc;

use super::containers::ContainerStatus;
use super::engine::{refusal, unless_gone};
use super::exit::Ended;
use super::inner::Inner;
use crate::runtime::Cleaned;

impl Inner {
    /// Removes by name, and only what carries this instance's label; the engine's own pruning would remove the
    /// resources of other programs (`FAULTS.md`, row 44).
    pub(super) async fn clean(&self, retention: Duration) -> anyhow::Result<Cleaned> {
        let docker = self.engine.connected().await?;
        let mut cleaned = Cleaned::default();
        let mut kept = BTreeSet::new();
        let mut kept_ids = BTreeSet::new();
        for container in self.containers(docker, None).await? {
            let remove = match self.status(docker, &container).await? {
                Some(ContainerStatus::Live) => false,
                Some(ContainerStatus::Abandoned) => true,
                Some(ContainerStatus::Ended(Ended { exit: _, at })) => {
                    (Utc::now() - at).to_std().is_ok_and(|age| age >= retention)
                }
                None => continue,
            };
            if remove {
                self.remove(docker, &container.name).await?;
                cleaned.attempts += 1;
            } else {
                kept.insert(container.name);
                kept_ids.insert(container.id);
            }
        }
        self.cache(|cache| {
            cache.ended.retain(|id, _| kept_ids.contains(id));
            cache.out_of_memory.retain(|id| kept_ids.contains(id));
            if kept.is_empty() {
                cache.stopped.clear();
            }
        });
        self.remove_volumes(docker, &kept).await?;
        self.remove_networks(docker).await?;
        Ok(cleaned)
    }

    /// Removes the networks that this orchestrator made under another `WORKER_NETWORK`, once they are empty.
    async fn remove_networks(&self, docker: &Docker) -> anyhow::Result<()> {
        let filters: HashMap<String, Vec<String>> = whim_containers::of_instance(&self.instance.name);
        let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
        let networks = docker
            .list_networks(Some(options))
            .await
            .context("listing the networks of this orchestrator")?;
        for network in networks {
            let (Some(id), Some(name)) = (network.id, network.name) else {
                continue;
            };
            if name == self.config.network {
                continue;
            }
            match docker.remove_network(&id).await {
                Ok(()) => tracing::info!(name, "removed an unused worker network"),
                // In use, or removed meanwhile.
                Err(error) if matches!(refusal(&error), Some(403 | 404 | 409)) => {}
                Err(error) => return Err(error).with_context(|| format!("removing the network {name}")),
            }
        }
        Ok(())
    }

    /// Removes the volumes without a container.
    async fn remove_volumes(&self, docker: &Docker, kept: &BTreeSet<String>) -> anyhow::Result<()> {
        let filters: HashMap<String, Vec<String>> = whim_containers::of_instance(&self.instance.name);
        let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
        let listed = docker
            .list_volumes(Some(options))
            .await
            .context("listing the volumes of this orchestrator")?;
        for volume in listed.volumes.unwrap_or_default() {
            let starting = self.cache(|cache| cache.starting.contains(&volume.name));
            if starting || kept.contains(&volume.name) {
                continue;
            }
            unless_gone(
                docker
                    .remove_volume(&volume.name, None::<RemoveVolumeOptions>)
                    .await,
            )
            .with_context(|| format!("removing the volume {}", volume.name))?;
        }
        Ok(())
    }
}
