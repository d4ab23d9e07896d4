//! Metrics in the text format of Prometheus.
//!
//! Programs use the macros of the crate `metrics`, which do nothing until [`Metrics::install`] is called. Names are constants
//! with a [`Family`] each. Labels have few values that are known beforehand, because each combination is a time series that
//! lives as long as the process.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use metrics_process::Collector;

/// Interval at which observations are aggregated between scrapes.
pub(crate) const UPKEEP_PERIOD: Duration = Duration::from_secs(5);

/// Always 1, with the labels `program` and `version`.
const BUILD_INFO: &str = "whim_build_info";
/// Runs of a reconciler by outcome.
const TASK_RUNS: &str = "whim_task_runs_total";
/// Their duration.
const TASK_RUN_DURATION: &str = "whim_task_run_duration_seconds";

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Counter,
    Gauge,
    /// With the upper bounds of its buckets.
    Histogram(&'static [f64]),
}

/// A metric, with any labels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Family {
    /// With its unit, as in `…_seconds` or `…_total`.
    pub name: &'static str,
    pub kind: Kind,
    pub help: &'static str,
}

/// The metrics of every program.
const FAMILIES: [Family; 3] = [
    Family {
        name: BUILD_INFO,
        kind: Kind::Gauge,
        help: "Always 1, labelled with program and version",
    },
    Family {
        name: TASK_RUNS,
        kind: Kind::Counter,
        help: "Runs of a background task",
    },
    Family {
        name: TASK_RUN_DURATION,
        kind: Kind::Histogram(&[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0]),
        help: "Duration of a run of a background task",
    },
];

/// Global, because the macros record into one recorder per process.
static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// Updates gauges that are expensive to read, right before they are rendered.
pub type Sample = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// The metrics of this process. Clones share them.
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
    /// Installs the recorder of this process, for `families` and those of every program. The caller must serve them with
    /// [`crate::admin::serve`], which aggregates observations; they would pile up otherwise. Later calls in the same process
    /// return the same metrics.
    pub fn install(program: &'static str, version: &'static str, families: &[Family]) -> Self {
        let all = || FAMILIES.iter().chain(families);
        let handle = HANDLE.get_or_init(|| {
            let recorder = recorder(all()).unwrap_or_else(|error| {
                tracing::error!(%error, "a list of buckets is empty: histograms are exported as summaries");
                PrometheusBuilder::new().build_recorder()
            });
            let handle = recorder.handle();
            if metrics::set_global_recorder(recorder).is_err() {
                tracing::error!("this process has another metrics recorder already: /metrics stays empty");
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

    /// Adds a function that updates gauges before each rendering.
    #[must_use]
    pub fn with_sample(self, sample: Sample) -> Self {
        Self {
            sample: Some(sample),
            ..self
        }
    }

    /// All metrics in the text format of Prometheus.
    pub async fn render(&self) -> String {
        if let Some(sample) = &self.sample {
            sample().await;
        }
        self.process.collect();
        self.handle.render()
    }

    /// Aggregates observations, so that they do not accumulate without scrapes.
    pub(crate) fn run_upkeep(&self) {
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

/// Records a run of a background task.
pub(crate) fn task_ran(task: &'static str, outcome: &'static str, took: Duration) {
    metrics::counter!(TASK_RUNS, "task" => task, "outcome" => outcome).increment(1);
    metrics::histogram!(TASK_RUN_DURATION, "task" => task).record(took);
}
