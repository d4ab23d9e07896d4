//! Listing, inspecting and stopping containers.

use std::time::Duration;

use anyhow::{Context as _, bail};
use bollard::Docker;
use bollard::models::{ContainerSummary, ContainerSummaryStateEnum};
use bollard::query_parameters::{ListContainersOptionsBuilder, StopContainerOptionsBuilder};
use chrono::Utc;
use whim_core::WorkerId;

use super::engine::{refusal, unless_gone};
use super::exit::{Ended, ended_at, exit_kind};
use super::inner::Inner;
use crate::exit::{Exit, ExitKind};
use crate::runtime::{Attempt, AttemptState};

/// How long the engine may take beyond the grace of the worker.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// A container of a worker.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) id: String,
    pub(super) name: String,
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

pub(super) enum ContainerStatus {
    /// Running, or about to be started.
    Live,
    /// Created by a start that was never completed (`FAULTS.md`, row 2).
    Abandoned,
    Ended(Ended),
}

impl Inner {
    pub(super) async fn list(&self) -> anyhow::Result<Vec<Attempt>> {
        let docker = self.engine.connected().await?;
        let mut attempts = Vec::new();
        for container in self.containers(docker, None).await? {
            let state = match self.status(docker, &container).await? {
                Some(ContainerStatus::Live) => AttemptState::Running,
                Some(ContainerStatus::Ended(Ended { exit, at: _ })) => AttemptState::Ended(exit),
                // No worker has ever run in it.
                Some(ContainerStatus::Abandoned) | None => continue,
            };
            attempts.push(Attempt {
                worker_id: container.worker,
                state,
            });
        }
        Ok(attempts)
    }

    /// The containers of this instance, or of one of its workers.
    pub(super) async fn containers(
        &self,
        docker: &Docker,
        worker: Option<WorkerId>,
    ) -> anyhow::Result<Vec<Container>> {
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
        // The event stream may outlive the engine until the engine is available again, so it may not show the outage.
        match &listed {
            Err(error) if refusal(error).is_none() => self.cache(|cache| cache.outage.refused(Utc::now())),
            Ok(_) | Err(_) => self.record_answer(),
        }
        let containers = listed.context("listing the containers of this orchestrator")?;
        Ok(containers.into_iter().filter_map(Container::read).collect())
    }

    /// `None` when the container was removed meanwhile.
    pub(super) async fn status(
        &self,
        docker: &Docker,
        container: &Container,
    ) -> anyhow::Result<Option<ContainerStatus>> {
        let ended = match container.state {
            ContainerSummaryStateEnum::RUNNING
            | ContainerSummaryStateEnum::PAUSED
            | ContainerSummaryStateEnum::RESTARTING
            | ContainerSummaryStateEnum::STOPPING => false,
            ContainerSummaryStateEnum::EXITED
            | ContainerSummaryStateEnum::DEAD
            | ContainerSummaryStateEnum::REMOVING => true,
            ContainerSummaryStateEnum::CREATED | ContainerSummaryStateEnum::EMPTY => {
                let starting = self.cache(|cache| cache.starting.contains(&container.name));
                return Ok(Some(if starting {
                    ContainerStatus::Live
                } else {
                    ContainerStatus::Abandoned
                }));
            }
        };
        if !ended {
            return Ok(Some(ContainerStatus::Live));
        }
        if let Some(ended) = self.cache(|cache| cache.ended.get(&container.id).copied()) {
            return Ok(Some(ContainerStatus::Ended(ended)));
        }
        let state = match docker.inspect_container(&container.id, None).await {
            Ok(inspected) => inspected.state.unwrap_or_default(),
            Err(error) if refusal(&error) == Some(404) => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("inspecting the container {}", container.name));
            }
        };
        if !self.engine.accepts_connections().await {
            // Whether the engine ended it is known once the engine is available again, and only then it can be replaced.
            self.cache(|cache| cache.outage.refused(Utc::now()));
            bail!("the container engine is being stopped");
        }
        self.record_answer();
        let ended = self.cache(|cache| {
            let at = ended_at(&state);
            let code = state.exit_code.unwrap_or_default();
            let mut how = exit_kind(&state, cache.out_of_memory.contains(&container.id));
            if how != ExitKind::OutOfMemory && cache.outage.explains(code, at) {
                how = ExitKind::RuntimeStopped;
            }
            let ended = Ended {
                exit: Exit {
                    how,
                    stopped: cache.stopped.contains(&container.worker),
                },
                at,
            };
            cache.ended.insert(container.id.clone(), ended);
            ended
        });
        Ok(Some(ContainerStatus::Ended(ended)))
    }

    pub(super) async fn stop(&self, worker: WorkerId) -> anyhow::Result<()> {
        let docker = self.engine.connected().await?;
        // Recorded before the stop: it decides how the exit is reported.
        self.cache(|cache| cache.stopped.insert(worker));
        let docker_for_stop = docker.clone().with_timeout(self.stop_grace + STOP_TIMEOUT);
        for container in self.containers(docker, Some(worker)).await? {
            match self.status(docker, &container).await? {
                Some(ContainerStatus::Live) => {
                    let grace = i32::try_from(self.stop_grace.as_secs())
                        .unwrap_or(i32::MAX)
                        .max(1);
                    let options = StopContainerOptionsBuilder::new().t(grace).build();
                    unless_gone(docker_for_stop.stop_container(&container.id, Some(options)).await)
                        .with_context(|| format!("stopping the container {}", container.name))?;
                }
                Some(ContainerStatus::Abandoned) => self.remove(docker, &container.name).await?,
                Some(ContainerStatus::Ended(_)) | None => {}
            }
        }
        let running = |container: &Container| container.state == ContainerSummaryStateEnum::RUNNING;
        if self.containers(docker, Some(worker)).await?.iter().any(running) {
            bail!("its container is still running after SIGKILL");
        }
        Ok(())
    }

    /// The identifier of the container of a worker.
    pub(super) async fn container_of(
        &self,
        docker: &Docker,
        worker: WorkerId,
    ) -> anyhow::Result<Option<String>> {
        let containers = self.containers(docker, Some(worker)).await?;
        Ok(containers.into_iter().next().map(|container| container.id))
    }
}
