use std::io::{self, Write};
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;
use whim_service::environment::Environment;
use whim_service::telemetry::{LogFormat, Style, TelemetryConfig, install_crypto, report_panics, subscriber};

/// Log output that a test can read.
#[derive(Clone, Default)]
struct Output(Arc<RwLock<Vec<u8>>>);

impl Output {
    fn text(&self) -> String {
        String::from_utf8(self.0.read().unwrap_or_else(PoisonError::into_inner).clone()).unwrap()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'writer> MakeWriter<'writer> for Output {
    type Writer = Self;

    fn make_writer(&'writer self) -> Self {
        self.clone()
    }
}

#[test]
fn a_json_line_names_the_service_and_keeps_the_fields() {
    let output = Output::default();
    let (subscriber, _levels) =
        subscriber(Style::Json { service: "whim-test" }, "info", output.clone()).unwrap();

    tracing::subscriber::with_default(subscriber, || {
        let span = tracing::info_span!("work", item = 7);
        span.in_scope(|| tracing::info!(worker = "w1", "started\nwork"));
    });

    let text = output.text();
    assert_eq!(text.lines().count(), 1);
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["service"], "whim-test");
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["message"], "started\nwork");
    assert_eq!(line["worker"], "w1");
    assert_eq!(line["span"]["item"], 7);
}

#[test]
fn the_level_can_be_changed_while_running() {
    let output = Output::default();
    let (subscriber, levels) = subscriber(Style::Pretty, "warn", output.clone()).unwrap();

    tracing::subscriber::with_default(subscriber, || {
        tracing::info!("too early");
        levels.set("info").unwrap();
        tracing::info!("heard");
        levels.set("nonsense=what").unwrap_err();
        tracing::info!("still heard");
    });

    let text = output.text();
    assert!(
        !text.contains("too early") && text.contains("heard") && text.contains("still heard"),
        "{text}"
    );
    assert_eq!(levels.current(), None, "the subscriber is gone");
}

#[test]
fn log_level_wins_over_rust_log_and_a_wrong_one_is_refused() {
    let read = |pairs: &[(&str, &str)]| {
        Environment::from_pairs(pairs.iter().copied()).build(|env| Some(TelemetryConfig::read(env)))
    };

    let config = |format, level: &str| TelemetryConfig {
        format,
        level: level.to_owned(),
    };
    assert_eq!(read(&[]).unwrap().config, config(LogFormat::Auto, "info"));
    assert_eq!(
        read(&[("RUST_LOG", "debug")]).unwrap().config,
        config(LogFormat::Auto, "debug")
    );
    assert_eq!(
        read(&[
            ("RUST_LOG", "debug"),
            ("LOG_LEVEL", "warn,x=trace"),
            ("LOG_FORMAT", "json")
        ])
        .unwrap()
        .config,
        config(LogFormat::Json, "warn,x=trace")
    );
    let refused = read(&[("LOG_LEVEL", "x=loud"), ("LOG_FORMAT", "xml")])
        .unwrap_err()
        .to_string();
    assert_eq!(
        refused,
        "LOG_FORMAT is \"xml\": expected one of: auto, pretty, json\n\
         LOG_LEVEL is \"x=loud\": expected a level (error, warn, info, debug, trace, off) \
         or a list such as info,whim_worker=debug"
    );
}

#[test]
fn a_panic_is_an_error_event() {
    let output = Output::default();
    let style = Style::Json { service: "whim-test" };
    let (subscriber, _levels) = subscriber(style, "info", output.clone()).unwrap();
    let before = std::panic::take_hook();

    report_panics();
    tracing::subscriber::with_default(subscriber, || {
        std::panic::catch_unwind(|| panic!("item {} is gone", 7)).unwrap_err();
    });
    std::panic::set_hook(before);

    let line: Value = serde_json::from_str(&output.text()).unwrap();
    assert_eq!(
        (&line["level"], &line["panic.message"]),
        (&"ERROR".into(), &"item 7 is gone".into())
    );
    assert!(
        line["panic.location"].as_str().unwrap().contains("telemetry.rs"),
        "{line}"
    );
}

#[test]
fn the_tls_implementation_can_be_installed_twice() {
    install_crypto();
    install_crypto();
}

#[test]
fn a_word_that_is_no_level_is_refused_instead_of_silencing_the_log() {
    for level in ["loud", "bogus", "a b", "info,loud", ""] {
        let (_subscriber, levels) = subscriber(Style::Pretty, "info", io::sink).unwrap();
        let error = levels.set(level).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("the log level is {level:?}: expected a level")),
            "{error}"
        );
        assert_eq!(levels.current().as_deref(), Some("info"));
    }
}

#[test]
fn levels_and_lists_of_them_are_accepted() {
    for level in [
        "warn",
        "INFO",
        "off",
        "info,whim_worker=debug",
        "info,a[b{c=1}]=trace",
    ] {
        let (_subscriber, levels) = subscriber(Style::Pretty, "info", io::sink).unwrap();
        levels.set(level).unwrap();
    }
}
