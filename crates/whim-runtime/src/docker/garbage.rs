//! Garbage collection: containers, volumes and networks of ended attempts.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use anyhow::Context as _;
use bollard::Docker;
use bollard::query_parameters::{ListNetworksOptionsBuilder, ListVolumesOptionsBuilder, RemoveVolumeOptions};
use chrono::Utc;

use super::containers::{Container, ContainerStatus};
use super::engine::{refusal, unless_gone};
use super::exit::Ended;
use super::inner::Inner;
use crate::disk::free_bytes;
use crate::runtime::Cleaned;

impl Inner {
    /// Removes by name, and only what carries this instance's label; the engine's own pruning would remove the
    /// resources of other programs (`docs/faults.md`, row 44).
    ///
    /// The free space is read at `WORKSPACES_DIR`, which is usually on the disk of the engine.
    pub(super) async fn clean(&self, retention: Duration) -> anyhow::Result<Cleaned> {
        let docker = self.engine.connected().await?;
        let mut cleaned = Cleaned::default();
        let (mut live, mut ended) = (Vec::new(), Vec::new());
        for container in self.containers(docker, None).await? {
            match self.status(docker, &container).await? {
                Some(ContainerStatus::Live) => live.push(container),
                Some(ContainerStatus::Ended(Ended { exit: _, at })) => ended.push((at, container)),
                Some(ContainerStatus::Abandoned) => {
                    cleaned.attempts += u64::from(self.remove_ended(docker, &container, &mut cleaned).await);
                }
                None => {}
            }
        }
        ended.sort_by_key(|(at, _)| *at);
        let mut kept = live;
        for (at, container) in ended {
            let is_old = (Utc::now() - at).to_std().is_ok_and(|age| age >= retention);
            let is_removed = if is_old {
                let removed = self.remove_ended(docker, &container, &mut cleaned).await;
                cleaned.attempts += u64::from(removed);
                removed
            } else if free_bytes(&self.instance.workspaces)? < self.min_free_bytes {
                let removed = self.remove_ended(docker, &container, &mut cleaned).await;
                cleaned.removed_for_space += u64::from(removed);
                removed
            } else {
                false
            };
            if !is_removed {
                kept.push(container);
            }
        }
        let (ids, names): (BTreeSet<String>, BTreeSet<String>) = kept
            .into_iter()
            .map(|container| (container.id, container.name))
            .unzip();
        self.cache(|cache| {
            cache.ended.retain(|id, _| ids.contains(id));
            cache.out_of_memory.retain(|id| ids.contains(id));
            cache.failed_removals.retain(|id| ids.contains(id));
            if ids.is_empty() {
                cache.stopped.clear();
            }
        });
        self.remove_volumes(docker, &names).await?;
        self.remove_networks(docker).await?;
        Ok(cleaned)
    }

    /// Whether it was removed. A failure is logged once for each container, as removals are repeated.
    async fn remove_ended(&self, docker: &Docker, container: &Container, cleaned: &mut Cleaned) -> bool {
        let Err(error) = self.remove(docker, &container.name).await else {
            return true;
        };
        let error = format!("{error:#}");
        if self.cache(|cache| cache.failed_removals.insert(container.id.clone())) {
            let name = &container.name;
            tracing::warn!(
                name,
                error,
                "an ended container cannot be removed: run `docker rm --force {name}`"
            );
        }
        cleaned.failed.push((container.worker, error));
        false
    }

    /// Removes the networks that this orchestrator made under another `WORKER_NETWORK`, once they are empty.
    async fn remove_networks(&self, docker: &Docker) -> anyhow::Result<()> {
        let filters: HashMap<String, Vec<String>> = whim_containers::instance_filter(&self.instance.name);
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
        let filters: HashMap<String, Vec<String>> = whim_containers::instance_filter(&self.instance.name);
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
