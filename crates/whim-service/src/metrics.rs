//! Numbers for Prometheus: what a program counts, in the text format that Prometheus reads.
//!
//! Programs count with the macros of the crate `metrics`, which go nowhere until [`Metrics::install`] was called. Names
//! are constants with a [`Family`] each; labels have few values that are known beforehand, because each combination is
//! a series that lives as long as the process.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use metrics_process::Collector;

/// How often what was observed is summed up when nobody asks.
pub(crate) const UPKEEP_PERIOD: Duration = Duration::from_secs(5);

/// `program` and `version` of what runs; always 1.
const BUILD_INFO: &str = "whim_build_info";
/// Runs of a reconciler by how they ended.
const TASK_RUNS: &str = "whim_task_runs_total";
/// How long they took.
const TASK_RUN_DURATION: &str = "whim_task_run_duration_seconds";

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only rises while the process lives.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations by these upper bounds.
    Histogram(&'static [f64]),
}

/// A metric of whatever labels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Family {
    /// Its name, with its unit: `…_seconds`, `…_total`.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it means, in one sentence.
    pub help: &'static str,
}

/// What every program has.
const FAMILIES: [Family; 3] = [
    Family {
        name: BUILD_INFO,
        kind: Kind::Gauge,
        help: "Always 1; its labels say which program and version this is",
    },
    Family {
        name: TASK_RUNS,
        kind: Kind::Counter,
        help: "Runs of a background task",
    },
    Family {
        name: TASK_RUN_DURATION,
        kind: Kind::Histogram(&[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0]),
        help: "How long a run of a background task took",
    },
];

/// The one of this process: the macros have no other place to count in.
static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// Brings gauges up to date that cost something to read, right before they are read.
pub type Sample = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// What this process counts. Clones are the same.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    process: Arc<Collector>,
    sample: Option<Sample>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Makes the macros of this process count, in `families` and in those of every program. Whoever installs has to
    /// serve them too ([`crate::admin::serve`]): observations are kept until they are summed up. Later calls in the
    /// same process get the same numbers.
    pub fn install(program: &'static str, version: &'static str, families: &[Family]) -> Self {
        let all = || FAMILIES.iter().chain(families);
        let handle = HANDLE.get_or_init(|| {
            let recorder = recorder(all()).unwrap_or_else(|error| {
                tracing::error!(%error, "histograms are summaries: a list of buckets is empty");
                PrometheusBuilder::new().build_recorder()
            });
            let handle = recorder.handle();
            if metrics::set_global_recorder(recorder).is_err() {
                tracing::error!("something else counts in this process already: /metrics stays empty");
            }
            handle
        });
        for Family { name, kind, help } in all() {
            match kind {
                Kind::Counter => metrics::describe_counter!(*name, *help),
                Kind::Gauge => metrics::describe_gauge!(*name, *help),
                Kind::Histogram(_) => metrics::describe_histogram!(*name, *help),
            }
        }
        let process = Collector::default();
        process.describe();
        metrics::gauge!(BUILD_INFO, "program" => program, "version" => version).set(1.0);
        Self {
            handle: handle.clone(),
            process: Arc::new(process),
            sample: None,
        }
    }

    /// The same with gauges that are brought up to date before each reading.
    #[must_use]
    pub fn with_sample(self, sample: Sample) -> Self {
        Self {
            sample: Some(sample),
            ..self
        }
    }

    /// Everything, in Prometheus' text format.
    pub async fn render(&self) -> String {
        if let Some(sample) = &self.sample {
            sample().await;
        }
        self.process.collect();
        self.handle.render()
    }

    /// Sums up what was observed, so that it takes no room when nobody ever asks.
    pub(crate) fn keep_up(&self) {
        self.handle.run_upkeep();
    }
}

fn recorder<'a>(families: impl Iterator<Item = &'a Family>) -> Result<PrometheusRecorder, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for family in families {
        if let Kind::Histogram(bounds) = family.kind {
            builder = builder.set_buckets_for_metric(Matcher::Full(family.name.to_owned()), bounds)?;
        }
    }
    Ok(builder.build_recorder())
}

/// A run of a background task ended.
pub(crate) fn task_ran(task: &'static str, outcome: &'static str, took: Duration) {
    metrics::counter!(TASK_RUNS, "task" => task, "outcome" => outcome).increment(1);
    metrics::histogram!(TASK_RUN_DURATION, "task" => task).record(took);
}
