//! Looking after containers: which there are, how they ended, stopping and removing them.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use anyhow::{Context as _, bail};
use bollard::Docker;
use bollard::models::{ContainerState, ContainerSummary, ContainerSummaryStateEnum};
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder, RemoveVolumeOptions,
    StopContainerOptionsBuilder,
};
use chrono::{DateTime, Utc};
use whim_core::WorkerId;

use super::Inner;
use super::engine::{refusal, unless_gone};
use crate::runtime::{Attempt, AttemptState, Cleaned, Exit, ExitKind};

/// What the engine needs beyond the grace of the worker.
const STOP_PATIENCE: Duration = Duration::from_secs(30);

/// With what the entry point of the worker image ends when memory ran out.
const OUT_OF_MEMORY: i64 = 70;
/// With what a shell, and so a container, ends for a signal: this and the signal's number.
const BY_SIGNAL: i64 = 128;

/// A container that ended. It ends once, so it is asked for once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    exit: Exit,
    at: DateTime<Utc>,
}

/// A container of ours.
#[derive(Debug)]
struct Container {
    id: String,
    name: String,
    worker: WorkerId,
    state: ContainerSummaryStateEnum,
}

impl Container {
    fn read(summary: ContainerSummary) -> Option<Self> {
        let names = summary.names.unwrap_or_default();
        Some(Self {
            id: summary.id?,
            name: names.first()?.trim_start_matches('/').to_owned(),
            worker: whim_containers::worker_of(&summary.labels.unwrap_or_default())?,
            state: summary.state?,
        })
    }
}

/// What becomes of a container that is listed.
enum Found {
    /// Something of it lives, or is about to.
    Living,
    /// It was created by a start that nobody goes on with (`FAULTS.md`, row 2).
    Abandoned,
    Ended(Ended),
}

impl Inner {
    pub(super) async fn list(&self) -> anyhow::Result<Vec<Attempt>> {
        let docker = self.engine.connected().await?;
        let mut attempts = Vec::new();
        for container in self.containers(docker, None).await? {
            let state = match self.look(docker, &container).await? {
                Some(Found::Living) => AttemptState::Running,
                Some(Found::Ended(Ended { exit, at: _ })) => AttemptState::Ended(exit),
                // No worker has ever run in it.
                Some(Found::Abandoned) | None => continue,
            };
            attempts.push(Attempt {
                worker_id: container.worker,
                state,
            });
        }
        Ok(attempts)
    }

    /// The containers of this instance, or of one of its workers.
    async fn containers(&self, docker: &Docker, worker: Option<WorkerId>) -> anyhow::Result<Vec<Container>> {
        let instance = &self.instance.name;
        let filters = worker.map_or_else(
            || whim_containers::of_instance(instance),
            |worker| whim_containers::of_worker(instance, worker),
        );
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters)
            .build();
        let listed = docker.list_containers(Some(options)).await;
        // The events may not break off before the engine ends, which is soon enough for it to be back by then.
        match &listed {
            Err(error) if refusal(error).is_none() => self.known(|known| known.away.refused(Utc::now())),
            Ok(_) | Err(_) => self.answers(),
        }
        let containers = listed.context("listing the containers of this orchestrator")?;
        Ok(containers.into_iter().filter_map(Container::read).collect())
    }

    /// How a container is; `None` when it is gone by now.
    async fn look(&self, docker: &Docker, container: &Container) -> anyhow::Result<Option<Found>> {
        let ended = match container.state {
            ContainerSummaryStateEnum::RUNNING
            | ContainerSummaryStateEnum::PAUSED
            | ContainerSummaryStateEnum::RESTARTING
            | ContainerSummaryStateEnum::STOPPING => false,
            ContainerSummaryStateEnum::EXITED
            | ContainerSummaryStateEnum::DEAD
            | ContainerSummaryStateEnum::REMOVING => true,
            ContainerSummaryStateEnum::CREATED | ContainerSummaryStateEnum::EMPTY => {
                let starting = self.known(|known| known.starting.contains(&container.name));
                return Ok(Some(if starting { Found::Living } else { Found::Abandoned }));
            }
        };
        if !ended {
            return Ok(Some(Found::Living));
        }
        if let Some(ended) = self.known(|known| known.ended.get(&container.id).copied()) {
            return Ok(Some(Found::Ended(ended)));
        }
        let state = match docker.inspect_container(&container.id, None).await {
            Ok(inspected) => inspected.state.unwrap_or_default(),
            Err(error) if refusal(&error) == Some(404) => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("looking at the container {}", container.name));
            }
        };
        if !self.engine.accepts_connections().await {
            // Why it ended can be told once the engine is back, and only then it can be replaced.
            self.known(|known| known.away.refused(Utc::now()));
            bail!("the container engine is being stopped");
        }
        self.answers();
        let ended = self.known(|known| {
            let at = ended_at(&state);
            let code = state.exit_code.unwrap_or_default();
            let mut how = exit_kind(&state, known.out_of_memory.contains(&container.id));
            if how != ExitKind::OutOfMemory && known.away.explains(code, at) {
                how = ExitKind::RuntimeStopped;
            }
            let ended = Ended {
                exit: Exit {
                    how,
                    stopped: known.stopped.contains(&container.worker),
                },
                at,
            };
            known.ended.insert(container.id.clone(), ended);
            ended
        });
        Ok(Some(Found::Ended(ended)))
    }

    pub(super) async fn stop(&self, worker: WorkerId) -> anyhow::Result<()> {
        let docker = self.engine.connected().await?;
        // Before anything is done about it: this decides how its end is told. The rows knew it even earlier.
        self.known(|known| known.stopped.insert(worker));
        let patient = docker.clone().with_timeout(self.stop_grace + STOP_PATIENCE);
        for container in self.containers(docker, Some(worker)).await? {
            match self.look(docker, &container).await? {
                Some(Found::Living) => {
                    let grace = i32::try_from(self.stop_grace.as_secs())
                        .unwrap_or(i32::MAX)
                        .max(1);
                    let options = StopContainerOptionsBuilder::new().t(grace).build();
                    unless_gone(patient.stop_container(&container.id, Some(options)).await)
                        .with_context(|| format!("stopping the container {}", container.name))?;
                }
                Some(Found::Abandoned) => self.remove(docker, &container.name).await?,
                Some(Found::Ended(_)) | None => {}
            }
        }
        let running = |container: &Container| container.state == ContainerSummaryStateEnum::RUNNING;
        if self.containers(docker, Some(worker)).await?.iter().any(running) {
            bail!("its container runs in spite of SIGKILL");
        }
        Ok(())
    }

    /// The name of the container of a worker.
    pub(super) async fn container_of(
        &self,
        docker: &Docker,
        worker: WorkerId,
    ) -> anyhow::Result<Option<String>> {
        let containers = self.containers(docker, Some(worker)).await?;
        Ok(containers.into_iter().next().map(|container| container.id))
    }

    /// Only what carries this instance's label is looked at, and only by its own name it is removed: never a pruning
    /// of everything that the engine has no use for (`FAULTS.md`, row 44).
    pub(super) async fn clean(&self, retention: Duration) -> anyhow::Result<Cleaned> {
        let docker = self.engine.connected().await?;
        let mut cleaned = Cleaned::default();
        let mut kept = BTreeSet::new();
        let mut kept_ids = BTreeSet::new();
        for container in self.containers(docker, None).await? {
            let remove = match self.look(docker, &container).await? {
                Some(Found::Living) => false,
                Some(Found::Abandoned) => true,
                Some(Found::Ended(Ended { exit: _, at })) => {
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
        self.known(|known| {
            known.ended.retain(|id, _| kept_ids.contains(id));
            known.out_of_memory.retain(|id| kept_ids.contains(id));
            if kept.is_empty() {
                known.stopped.clear();
            }
        });
        self.remove_volumes(docker, &kept).await?;
        self.remove_networks(docker).await?;
        Ok(cleaned)
    }

    /// Removes the networks that this orchestrator made under another `WORKER_NETWORK`, once nobody is in them.
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
                Ok(()) => tracing::info!(name, "a network of workers that is not used any more was removed"),
                // Somebody is in it, or it is gone.
                Err(error) if matches!(refusal(&error), Some(403 | 404 | 409)) => {}
                Err(error) => return Err(error).with_context(|| format!("removing the network {name}")),
            }
        }
        Ok(())
    }

    /// Removes the volumes of which the container is gone.
    async fn remove_volumes(&self, docker: &Docker, kept: &BTreeSet<String>) -> anyhow::Result<()> {
        let filters: HashMap<String, Vec<String>> = whim_containers::of_instance(&self.instance.name);
        let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
        let listed = docker
            .list_volumes(Some(options))
            .await
            .context("listing the volumes of this orchestrator")?;
        for volume in listed.volumes.unwrap_or_default() {
            let starting = self.known(|known| known.starting.contains(&volume.name));
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

/// How a container ended. The engine's own mark is set only for some of those that ran out of memory; that there was an
/// event, or what the entry point says, counts as well.
fn exit_kind(state: &ContainerState, event: bool) -> ExitKind {
    let code = state.exit_code.unwrap_or_default();
    let marked = event || state.oom_killed == Some(true);
    match code {
        OUT_OF_MEMORY => ExitKind::OutOfMemory,
        code if code > BY_SIGNAL && marked => ExitKind::OutOfMemory,
        code if (BY_SIGNAL + 1..=BY_SIGNAL + 64).contains(&code) => {
            i32::try_from(code - BY_SIGNAL).map_or(ExitKind::Unknown, ExitKind::Signal)
        }
        code => i32::try_from(code).map_or(ExitKind::Unknown, ExitKind::Code),
    }
}

/// When it ended; one of which the engine does not know it is as old as this program's knowledge of it.
fn ended_at(state: &ContainerState) -> DateTime<Utc> {
    state
        .finished_at
        .as_deref()
        .and_then(|at| DateTime::parse_from_rfc3339(at).ok())
        .map_or_else(Utc::now, |at| at.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_for_want_of_memory_is_told_from_a_kill() {
        let kind = |code, marked, event| {
            let state = ContainerState {
                exit_code: Some(code),
                oom_killed: Some(marked),
                ..ContainerState::default()
            };
            exit_kind(&state, event)
        };
        assert_eq!(kind(137, false, false), ExitKind::Signal(9));
        assert_eq!(kind(137, true, false), ExitKind::OutOfMemory);
        assert_eq!(kind(137, false, true), ExitKind::OutOfMemory);
        assert_eq!(kind(70, false, false), ExitKind::OutOfMemory);
        // Something in it ran out of memory, and the worker went on to its own end.
        assert_eq!(kind(0, true, true), ExitKind::Code(0));
        assert_eq!(kind(2, true, true), ExitKind::Code(2));
    }
}
