//! The fakes of GitHub and the model API for the container demo: at fixed ports, with the sample repository and its issue.
//!
//! The GitHub token and the API key are written to files in a shared directory.

use std::fs;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use whim_service::signal::EndSignals;
use whim_testkit::anthropic::Anthropic;
use whim_testkit::github::GitHub;

use crate::sample;

const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// A task takes seconds; the rest is for slow machines.
const TIMEOUT: Duration = Duration::from_mins(10);

#[derive(Debug, Parser)]
#[command(name = "whim-stand-ins", version, about = "Fakes of GitHub and the model API")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve, and print the pull request once it is opened
    Serve(Serve),
    /// Succeed if the fakes are serving on this machine
    Healthcheck {
        #[command(flatten)]
        ports: Ports,
    },
}

#[derive(Clone, Copy, Debug, Args)]
struct Ports {
    /// Port of GitHub: REST API and git
    #[arg(long, default_value_t = 4010)]
    github_port: u16,
    /// Port of the model API
    #[arg(long, default_value_t = 4020)]
    anthropic_port: u16,
}

#[derive(Debug, Args)]
struct Serve {
    #[command(flatten)]
    ports: Ports,
    /// Address to listen on
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// Directory with the files of the sample repository
    #[arg(long)]
    sample: PathBuf,
    /// Directory to write the token and the key to
    #[arg(long)]
    credentials: PathBuf,
    /// URL of the dashboard, for people
    #[arg(long)]
    dashboard: Option<String>,
}

/// Runs the program.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Command::Serve(arguments) => serve(&arguments),
        Command::Healthcheck { ports } => healthcheck(ports),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is closed, the exit code remains.
            writeln!(io::stderr(), "whim-stand-ins: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

fn healthcheck(ports: Ports) -> anyhow::Result<()> {
    for port in [ports.github_port, ports.anthropic_port] {
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
        TcpStream::connect_timeout(&address, Duration::from_secs(2))
            .with_context(|| format!("connecting to {address}"))?;
    }
    Ok(())
}

#[tokio::main]
async fn serve(arguments: &Serve) -> anyhow::Result<()> {
    let mut signals = EndSignals::listen().context("listening for signals")?;
    let Ports {
        github_port,
        anthropic_port,
    } = arguments.ports;
    let anthropic = Anthropic::start_on((arguments.address, anthropic_port).into())?;
    let github = GitHub::start_on((arguments.address, github_port).into()).await?;
    anthropic.set_coder(sample::coder());
    github.create_repository_from(sample::REPOSITORY, &arguments.sample);
    write_secret(&arguments.credentials, "github-token", github.token())?;
    write_secret(&arguments.credentials, "anthropic-api-key", anthropic.api_key())?;
    let issue = github.create_issue(
        sample::REPOSITORY,
        sample::ISSUE_TITLE,
        sample::ISSUE_BODY,
        &["whim"],
    );
    print(&format!(
        "The issue {}#{issue} “{}” is labelled whim",
        sample::REPOSITORY,
        sample::ISSUE_TITLE
    ))?;
    if let Some(dashboard) = &arguments.dashboard {
        print(&format!("Watch it at {dashboard}"))?;
    }
    let work = async {
        wait_for_pull(&github, issue).await?;
        print(&result(&github)?)?;
        std::future::pending::<anyhow::Result<()>>().await
    };
    tokio::select! {
        failed = work => failed,
        _ = signals.next() => Ok(()),
    }
}

/// Written atomically. Protected by the mode of the directory.
fn write_secret(directory: &Path, name: &str, secret: &str) -> anyhow::Result<()> {
    let path = directory.join(name);
    let unfinished = directory.join(format!(".{name}"));
    fs::write(&unfinished, secret)
        .and_then(|()| fs::rename(&unfinished, &path))
        .with_context(|| format!("writing {}", path.display()))
}

async fn wait_for_pull(github: &GitHub, issue: u64) -> anyhow::Result<()> {
    let deadline = Instant::now() + TIMEOUT;
    let mut polls = tokio::time::interval(POLL_INTERVAL);
    loop {
        polls.tick().await;
        let issue = github.issue(sample::REPOSITORY, issue);
        let has = |label: &str| issue.labels.iter().any(|present| present == label);
        if has("ai-pr-ready") && !has("ai-processing") {
            return Ok(());
        }
        if has("ai-failed") || Instant::now() >= deadline {
            let comments: Vec<&str> = issue
                .comments
                .iter()
                .map(|comment| comment.body.as_str())
                .collect();
            bail!(
                "no pull request; the issue's labels: {:?}, its comments: {comments:#?}",
                issue.labels
            );
        }
    }
}

fn result(github: &GitHub) -> anyhow::Result<String> {
    let pulls = github.pulls(sample::REPOSITORY);
    let [pull] = pulls.as_slice() else {
        bail!("expected one pull request, found {}", pulls.len());
    };
    let range = format!("{}...{}", pull.base, pull.head);
    let diff = github
        .bare_repository(sample::REPOSITORY)
        .run(["diff", "--no-color", &range, "--"])?;
    Ok(format!(
        "── Pull request #{}: {} ──\n{} wants to merge {} into {}\n\n{}\n\n{diff}",
        pull.number,
        pull.title,
        sample::REPOSITORY,
        pull.head,
        pull.base,
        pull.body.as_deref().unwrap_or_default()
    ))
}

fn print(text: &str) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{text}").context("writing to standard output")
}
