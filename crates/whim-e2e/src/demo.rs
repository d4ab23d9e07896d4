//! The demo: shows how a labelled issue becomes a pull request on this machine.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Parser;
use tokio::process::Command;
use whim_core::WorkItemStatus;
use whim_core::protocol::work::WorkItem;
use whim_service::signal::EndSignals;

use crate::sample;
use crate::system::{Options, System};

const TIMEOUT: Duration = Duration::from_secs(180);
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// The password of the dashboard with a login that the command gets.
const DASHBOARD_PASSWORD: &str = "the password of this demo";
/// The exit code of a program interrupted by Ctrl-C, as in a shell.
const EXIT_INTERRUPTED: u8 = 130;

/// Shows how a labelled issue becomes a pull request. Needs no API keys
#[derive(Debug, Parser)]
#[command(name = "whim-demo", version)]
struct Arguments {
    /// Keep the services running afterwards, with the dashboard, until Ctrl-C
    #[arg(long, conflicts_with = "command")]
    keep: bool,
    /// A command to run afterwards. Its environment has addresses of dashboards: BASE_URL, OTHER_BASE_URL of one in front of a
    /// second orchestrator, LOGIN_BASE_URL and LOGIN_PASSWORD of one with a login. It also has ORCHESTRATOR_PID,
    /// WORKER_API_URL for the worker protocol, and DATABASE_URL
    #[arg(last = true)]
    command: Vec<OsString>,
}

/// Runs the demo. Exit codes: 0 with a pull request, 1 without one or after a failed command, 130 after Ctrl-C.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    match demonstrate(&arguments) {
        Ok(Outcome::Completed) => ExitCode::SUCCESS,
        Ok(Outcome::Interrupted) => ExitCode::from(EXIT_INTERRUPTED),
        Err(error) => {
            // If standard error is closed, the exit code remains.
            writeln!(io::stderr(), "\nThe demo failed: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

enum Outcome {
    Completed,
    Interrupted,
}

#[tokio::main]
async fn demonstrate(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let mut signals = EndSignals::listen().context("listening for Ctrl-C")?;
    let mut screen = Screen {
        start: Instant::now(),
        output: io::stdout(),
    };
    let work = async {
        let mut system = show(&mut screen).await?;
        if arguments.keep {
            let dashboard = system.start_dashboard(None).await?;
            screen.keep(&system, dashboard.as_str())?;
            std::future::pending::<()>().await;
        }
        if let Some((program, arguments)) = arguments.command.split_first() {
            let status = run_command(&mut system, program, arguments).await?;
            if !status.success() {
                bail!("the command ended with {status}\n{}", system.logs());
            }
        }
        system.stop().await
    };
    // Dropping the unfinished future kills all processes of the system.
    tokio::select! {
        shown = work => shown.map(|()| Outcome::Completed),
        _ = signals.next() => Ok(Outcome::Interrupted),
    }
}

/// Runs a command with the terminal of this program. An orchestrator that the command kills is started again.
async fn run_command(
    system: &mut System,
    program: &OsString,
    arguments: &[OsString],
) -> anyhow::Result<ExitStatus> {
    let open = system.start_dashboard(None).await?;
    let with_login = system.start_dashboard(Some(DASHBOARD_PASSWORD)).await?;
    let orchestrator = system
        .orchestrator_pid()
        .context("the orchestrator is not running")?;
    let other_api = system.start_other_orchestrator().await?;
    let other = system.start_dashboard_of(&other_api, None).await?;
    let mut command = Command::new(program)
        .args(arguments)
        .env("BASE_URL", open.as_str().trim_end_matches('/'))
        .env("OTHER_BASE_URL", other.as_str().trim_end_matches('/'))
        .env("LOGIN_BASE_URL", with_login.as_str().trim_end_matches('/'))
        .env("LOGIN_PASSWORD", DASHBOARD_PASSWORD)
        .env("ORCHESTRATOR_PID", orchestrator.to_string())
        .env("WORKER_API_URL", system.worker_api_url()?.as_str())
        .env("DATABASE_URL", system.database.url())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("running {}", program.display()))?;
    loop {
        tokio::select! {
            status = command.wait() => {
                return status.with_context(|| format!("running {}", program.display()));
            }
            () = tokio::time::sleep(POLL_INTERVAL) => system.restart_exited_orchestrator().await?,
        }
    }
}

async fn show(screen: &mut Screen) -> anyhow::Result<System> {
    screen.introduce()?;
    let mut system = System::prepare(Options::watching([sample::REPOSITORY])).await?;
    screen.stage("databases", "Postgres and Redis in a temporary directory")?;
    system
        .github
        .create_repository_from(sample::REPOSITORY, &sample::directory());
    system.anthropic.set_coder(sample::coder());
    system.start_programs().await?;
    screen.stage(
        "services",
        &format!("orchestrator at {}, intake", system.api_url()),
    )?;
    let issue = system.github.create_issue(
        sample::REPOSITORY,
        sample::ISSUE_TITLE,
        sample::ISSUE_BODY,
        &["whim"],
    );
    screen.stage(
        "issue",
        &format!(
            "{}#{issue} “{}”, labelled whim",
            sample::REPOSITORY,
            sample::ISSUE_TITLE
        ),
    )?;
    follow(screen, &system, issue).await?;
    screen.result(&system, issue)?;
    Ok(system)
}

/// Prints each status and stage once.
async fn follow(screen: &mut Screen, system: &System, issue: u64) -> anyhow::Result<()> {
    let mut shown = Shown::default();
    let mut polls = tokio::time::interval(POLL_INTERVAL);
    let deadline = Instant::now() + TIMEOUT;
    loop {
        polls.tick().await;
        if let Some(item) = system.item_of(sample::REPOSITORY, issue).await? {
            shown.update(screen, &item)?;
            if matches!(item.status, WorkItemStatus::Failed | WorkItemStatus::Cancelled) {
                bail!(
                    "the work item {}: {}\n{}",
                    item.status,
                    item.error.unwrap_or_default(),
                    system.logs()
                );
            }
        }
        let labels = system.github.issue(sample::REPOSITORY, issue).labels;
        if labels.iter().any(|label| label == "ai-pr-ready")
            && !labels.iter().any(|label| label == "ai-processing")
        {
            return screen.stage("reflected", "the issue has a comment and the label ai-pr-ready");
        }
        if Instant::now() >= deadline {
            bail!("no pull request after {} s\n{}", TIMEOUT.as_secs(), system.logs());
        }
    }
}

/// What has been printed of a work item.
#[derive(Default)]
struct Shown {
    status: Option<WorkItemStatus>,
    stage: Option<whim_core::Stage>,
    tasks_done: u32,
}

impl Shown {
    fn update(&mut self, screen: &mut Screen, item: &WorkItem) -> anyhow::Result<()> {
        if self.status != Some(item.status) {
            self.status = Some(item.status);
            let details = match item.status {
                WorkItemStatus::Generating => {
                    "the intake found the issue; the model writes SPEC.md".to_owned()
                }
                WorkItemStatus::Queued => {
                    format!("SPEC.md has {} tasks; waiting for a worker", item.tasks_total)
                }
                WorkItemStatus::Assigned => "a worker starts".to_owned(),
                WorkItemStatus::InProgress => format!("on the branch {}", item.branch),
                WorkItemStatus::Completed => item.pr_url.clone().unwrap_or_default(),
                WorkItemStatus::Failed | WorkItemStatus::Cancelled => item.error.clone().unwrap_or_default(),
            };
            screen.stage(item.status.as_str(), &details)?;
        }
        if self.tasks_done < item.tasks_done {
            self.tasks_done = item.tasks_done;
            screen.stage(
                "task done",
                &format!(
                    "{} of {} tasks are done and pushed",
                    item.tasks_done, item.tasks_total
                ),
            )?;
        }
        if let Some(stage) = item.stage
            && item.status == WorkItemStatus::InProgress
            && self.stage != Some(stage)
        {
            self.stage = Some(stage);
            screen.stage(stage.as_str(), explain(stage))?;
        }
        Ok(())
    }
}

fn explain(stage: whim_core::Stage) -> &'static str {
    match stage {
        whim_core::Stage::Preparing => "clones the repository, creates the branch, checks that it can push",
        whim_core::Stage::Working => "ralph runs a new Claude Code session for each task",
        whim_core::Stage::Testing => "runs the project's tests",
        whim_core::Stage::Reviewing => "compares the change with the checklist",
        whim_core::Stage::Delivering => "opens the pull request",
    }
}

/// Prints plain lines, so that the output is the same in a pipe and in a terminal.
struct Screen {
    start: Instant,
    output: io::Stdout,
}

impl Screen {
    fn print(&mut self, line: &str) -> anyhow::Result<()> {
        writeln!(self.output, "{line}").context("writing to standard output")
    }

    fn stage(&mut self, name: &str, details: &str) -> anyhow::Result<()> {
        let seconds = self.start.elapsed().as_secs_f64();
        self.print(&format!("{seconds:6.1} s  {name:<12} {details}"))
    }

    fn introduce(&mut self) -> anyhow::Result<()> {
        self.print("Whim turns a labelled issue into a pull request. This demo runs on this machine only:")?;
        self.print("Postgres, Redis, git, Whim's services, Ralph and the Claude Code CLI are real.")?;
        self.print("GitHub is a fake, and the model is SCRIPTED: it knows the solution of this one issue.\n")
    }

    fn result(&mut self, system: &System, issue: u64) -> anyhow::Result<()> {
        let pulls = system.github.pulls(sample::REPOSITORY);
        let [pull] = pulls.as_slice() else {
            bail!("expected one pull request, found {}", pulls.len());
        };
        let issue = system.github.issue(sample::REPOSITORY, issue);
        self.heading(&format!("Pull request #{}: {}", pull.number, pull.title))?;
        self.print(&format!(
            "{} wants to merge {} into {}\n\n{}",
            sample::REPOSITORY,
            pull.head,
            pull.base,
            pull.body.as_deref().unwrap_or_default()
        ))?;
        self.heading("Its diff")?;
        let diff = system.github.bare_repository(sample::REPOSITORY).run([
            "diff".to_owned(),
            "--no-color".to_owned(),
            format!("{}...{}", pull.base, pull.head),
            "--".to_owned(),
        ])?;
        self.print(&diff)?;
        self.heading(&format!("The issue's labels: {}", issue.labels.join(", ")))?;
        self.heading("The issue's comment")?;
        for comment in &issue.comments {
            self.print(&comment.body)?;
        }
        self.print("")
    }

    fn heading(&mut self, text: &str) -> anyhow::Result<()> {
        self.print(&format!("\n── {text} ──"))
    }

    fn keep(&mut self, system: &System, dashboard: &str) -> anyhow::Result<()> {
        self.print("The services run until Ctrl-C:")?;
        self.print(&format!(
            "  dashboard: {dashboard}\n  curl -H 'Authorization: Bearer {}' {}api/status\n  logs and workspaces: {}",
            system.api_key(),
            system.api_url(),
            system.directory().display()
        ))
    }
}
