//! Logs: one subscriber per process, with a level that can be changed at run time, and panics as error events.

use std::fmt;
use std::io::IsTerminal as _;

use rustls::crypto::CryptoProvider;
use tracing::Subscriber;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::fmt::format::{self, FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Registry, reload};

use crate::environment::{Environment, Expected, one_of};

const DEFAULT_LEVEL: &str = "info";

const LEVEL_DESCRIPTION: &str =
    "a level (error, warn, info, debug, trace, off) or a list such as info,whim_worker=debug";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty on a terminal, JSON otherwise.
    #[default]
    Auto,
    Pretty,
    /// One JSON object per line.
    Json,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryConfig {
    /// `LOG_FORMAT`: `pretty`, `json` or `auto` (the default).
    pub format: LogFormat,
    /// `LOG_LEVEL`, or `RUST_LOG` if that is not set: a filter such as `info` or `info,whim_worker=debug`.
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
        LEVEL_DESCRIPTION,
        |raw| parse_level(raw).is_ok().then(|| raw.to_owned()),
        String::clone,
    )
}

#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("this process has a log subscriber already")]
    AlreadySet(#[source] TryInitError),
    #[error(transparent)]
    Level(#[from] LevelError),
}

#[derive(Debug, thiserror::Error)]
pub enum LevelError {
    #[error("the log level is {0:?}: expected {LEVEL_DESCRIPTION}")]
    Invalid(String),
    #[error("changing the log level")]
    Change(#[source] reload::Error),
}

#[derive(Clone, Debug)]
pub struct Telemetry {
    /// For the admin port.
    pub levels: LogLevels,
}

/// Sets up logs on standard error, panics as error events, and the TLS implementation ([`install_crypto`]).
///
/// # Errors
/// The level is invalid, or the process has a subscriber already.
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Pretty,
    /// One JSON object per line, with the name of the service.
    Json {
        /// The field `service`.
        service: &'static str,
    },
}

/// The subscriber of [`init`] with another output.
///
/// # Errors
/// The level is invalid.
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

/// The log level of the process, which can be changed at run time. Clones share it.
#[derive(Clone)]
pub struct LogLevels {
    handle: reload::Handle<EnvFilter, Registry>,
}

impl LogLevels {
    /// # Errors
    /// The level is invalid, or the subscriber was dropped.
    pub fn set(&self, level: &str) -> Result<(), LevelError> {
        self.handle
            .reload(parse_level(level)?)
            .map_err(LevelError::Change)
    }

    /// The current filter; `None` if the subscriber was dropped.
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

/// [`EnvFilter`] takes an unknown word for the name of a module and would then log nothing else.
fn parse_level(text: &str) -> Result<EnvFilter, LevelError> {
    let is_level = |word: &str| !word.is_empty() && word.parse::<LevelFilter>().is_ok();
    let is_directive = |part: &str| part.contains(['=', '[']) || is_level(part);
    let invalid = || LevelError::Invalid(text.to_owned());
    if !text.split(',').all(|part| is_directive(part.trim())) && !text.contains('{') {
        return Err(invalid());
    }
    EnvFilter::try_new(text).map_err(|_| invalid())
}

/// Installs ring as the TLS implementation of this process.
///
/// Must be called before an HTTP client is built; [`init`] does. Further calls do nothing.
pub fn install_crypto() {
    if CryptoProvider::get_default().is_none() {
        // Fails only if another thread installed it in the meantime.
        rustls::crypto::ring::default_provider().install_default().ok();
    }
}

/// Reports panics as error events, in the same place and format as other failures. [`init`] does this.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("(no message)");
        let location = panic.location().map(ToString::to_string);
        let backtrace = std::backtrace::Backtrace::capture();
        tracing::error!(panic.message = message, panic.location = location, %backtrace, "a task panicked: {message}");
    }));
}

/// The JSON of tracing-subscriber with the name of the service, because the logs of several programs are often collected in
/// one place.
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
