//! Logs: one subscriber for the process, its level changeable while it runs, panics as error events.

use std::fmt;
use std::io::IsTerminal as _;

use rustls::crypto::CryptoProvider;
use tracing::Subscriber;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::format::{self, FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Registry, reload};

use crate::environment::{Environment, Expected, one_of};

/// The level of a process that was not told otherwise.
const DEFAULT_LEVEL: &str = "info";

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Pretty,
    /// One JSON object a line, for machines.
    Json,
}

/// What a person may choose about logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryConfig {
    /// `LOG_FORMAT`: `pretty`, `json` or `auto` (the default).
    pub format: LogFormat,
    /// `LOG_LEVEL`, or `RUST_LOG` when that is not set: a filter such as `info` or `info,whim_worker=debug`.
    pub level: String,
}

impl TelemetryConfig {
    /// Reads `LOG_FORMAT`, `LOG_LEVEL` and `RUST_LOG`.
    pub fn read(env: &mut Environment) -> Self {
        let formats = &[
            ("auto", LogFormat::Auto),
            ("pretty", LogFormat::Pretty),
            ("json", LogFormat::Json),
        ];
        let format = env.or_default("LOG_FORMAT", LogFormat::default(), one_of(formats));
        let level_variable = if env.is_set("RUST_LOG") && !env.is_set("LOG_LEVEL") {
            "RUST_LOG"
        } else {
            "LOG_LEVEL"
        };
        let level = env.or_default(level_variable, DEFAULT_LEVEL.to_owned(), level_filter());
        Self { format, level }
    }
}

fn level_filter() -> Expected<String> {
    Expected::new(
        "a level (error, warn, info, debug, trace, off) or a list such as info,whim_worker=debug",
        |raw| EnvFilter::try_new(raw).is_ok().then(|| raw.to_owned()),
        String::clone,
    )
}

/// Logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Somebody else made the process' subscriber.
    #[error("the log subscriber of this process is set already")]
    AlreadySet(#[source] TryInitError),
    /// The level does not parse.
    #[error(transparent)]
    Level(#[from] LevelError),
}

/// A level filter does not parse, or cannot be put in place.
#[derive(Debug, thiserror::Error)]
pub enum LevelError {
    /// The text is no filter.
    #[error("reading the log level {text:?}")]
    Parse {
        /// What was to be the filter.
        text: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The subscriber is gone.
    #[error("changing the log level")]
    Change(#[source] reload::Error),
}

/// What `main` keeps of the telemetry.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// The level of this process, for the admin port.
    pub levels: LogLevels,
}

/// Sets up logs on standard error, reports panics as error events, and picks the TLS implementation ([`install_crypto`]).
///
/// # Errors
/// The level does not parse, or the process has a subscriber already.
pub fn init(service: &'static str, config: &TelemetryConfig) -> Result<Telemetry, TelemetryError> {
    let json = match config.format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Pretty => false,
        LogFormat::Json => true,
    };
    let style = if json {
        Style::Json { service }
    } else {
        Style::Pretty
    };
    let (subscriber, levels) = subscriber(style, &config.level, std::io::stderr)?;
    subscriber.try_init().map_err(TelemetryError::AlreadySet)?;
    report_panics();
    install_crypto();
    Ok(Telemetry { levels })
}

/// How a subscriber writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// For people.
    Pretty,
    /// One JSON object a line, each with the name of the service.
    Json {
        /// Value of the field `service`.
        service: &'static str,
    },
}

/// The subscriber of [`init`], writing wherever one likes.
///
/// # Errors
/// The level does not parse.
pub fn subscriber<Output>(
    style: Style,
    level: &str,
    output: Output,
) -> Result<(impl Subscriber + Send + Sync + use<Output>, LogLevels), LevelError>
where
    Output: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(parse_level(level)?);
    let lines = tracing_subscriber::fmt::layer().with_writer(output);
    let lines = match style {
        Style::Pretty => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        Style::Json { service } => lines
            .json()
            .event_format(JsonLine {
                service,
                json: format::json().flatten_event(true).with_span_list(false),
            })
            .boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(filter).with(lines);
    Ok((subscriber, LogLevels { handle }))
}

/// The level of the process, changeable while it runs. Clones change the same level.
#[derive(Clone)]
pub struct LogLevels {
    handle: reload::Handle<EnvFilter, Registry>,
}

impl LogLevels {
    /// Puts another filter in place.
    ///
    /// # Errors
    /// The text is no filter, or the subscriber is gone.
    pub fn set(&self, level: &str) -> Result<(), LevelError> {
        self.handle
            .reload(parse_level(level)?)
            .map_err(LevelError::Change)
    }

    /// The filter in place; `None` when the subscriber is gone.
    pub fn current(&self) -> Option<String> {
        self.handle.with_current(ToString::to_string).ok()
    }
}

impl fmt::Debug for LogLevels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LogLevels")
            .field("current", &self.current())
            .finish()
    }
}

fn parse_level(text: &str) -> Result<EnvFilter, LevelError> {
    EnvFilter::try_new(text).map_err(|source| LevelError::Parse {
        text: text.to_owned(),
        source,
    })
}

/// Makes ring the TLS implementation of this process.
///
/// Programs call this before they build an HTTP client; [`init`] does. Calling it again does nothing.
pub fn install_crypto() {
    if CryptoProvider::get_default().is_none() {
        // Fails only when another thread was faster, and then there is one.
        let _installed = rustls::crypto::ring::default_provider().install_default();
    }
}

/// From now on a panic is an error event, so that it reaches the same place as every other failure, in the same format.
///
/// [`init`] does this.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("(no message)");
        let location = panic.location().map(ToString::to_string);
        let backtrace = std::backtrace::Backtrace::capture();
        tracing::error!(panic.message = message, panic.location = location, %backtrace, "a task panicked: {message}");
    }));
}

/// tracing-subscriber's JSON with the service's name in front: the lines of several programs often end up in one place.
struct JsonLine<Json> {
    service: &'static str,
    json: Json,
}

impl<S, N, Json> FormatEvent<S, N> for JsonLine<Json>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    N: for<'writer> FormatFields<'writer> + 'static,
    Json: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.json.format_event(context, Writer::new(&mut line), event)?;
        let fields = line.strip_prefix('{').unwrap_or(&line);
        write!(writer, "{{\"service\":{:?},{fields}", self.service)
    }
}
