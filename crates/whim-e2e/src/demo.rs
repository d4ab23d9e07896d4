//! The main job, for a person to watch: a labelled issue becomes a pull request on this machine.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Parser;
use whim_core::WorkItemStatus;
use whim_core::protocol::work::WorkItem;
use whim_service::signal::EndSignals;

use crate::sample;
use crate::system::{Options, System};

const PATIENCE: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What a shell reports for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Shows how a labelled issue becomes a pull request, without any key.
#[derive(Debug, Parser)]
#[command(name = "whim-demo", version)]
struct Arguments {
    /// Leave the services running afterwards, until Ctrl-C.
    #[arg(long)]
    keep: bool,
}

/// Runs the demo: 0 with a pull request, 1 without one, 130 after Ctrl-C.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    match demonstrate(&arguments) {
        Ok(Ending::Shown) => ExitCode::SUCCESS,
        Ok(Ending::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(error) => {
            // Without a standard error there is nobody to tell; the exit code says it all the same.
            drop(writeln!(io::stderr(), "\nThe demo failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

enum Ending {
    Shown,
    Interrupted,
}

#[tokio::main]
async fn demonstrate(arguments: &Arguments) -> anyhow::Result<Ending> {
    let mut signals = EndSignals::listen().context("listening for Ctrl-C")?;
    let mut screen = Screen {
        begin: Instant::now(),
        output: io::stdout(),
    };
    let work = async {
        let system = show(&mut screen).await?;
        if arguments.keep {
            screen.keep(&system)?;
            std::future::pending::<()>().await;
        }
        system.stop().await
    };
    // Dropping the unfinished work ends every process that it started.
    tokio::select! {
        shown = work => shown.map(|()| Ending::Shown),
        _ = signals.next() => Ok(Ending::Interrupted),
    }
}

async fn show(screen: &mut Screen) -> anyhow::Result<System> {
    screen.introduce()?;
    let mut system = System::prepare(Options::watching([sample::REPOSITORY])).await?;
    screen.stage(
        "databases",
        "Postgres and Redis of the demo's own, in a temporary directory",
    )?;
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

/// Shows each stage once, as it passes.
async fn follow(screen: &mut Screen, system: &System, issue: u64) -> anyhow::Result<()> {
    let mut shown = Shown::default();
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let deadline = Instant::now() + PATIENCE;
    loop {
        looks.tick().await;
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
            bail!(
                "no pull request after {} s\n{}",
                PATIENCE.as_secs(),
                system.logs()
            );
        }
    }
}

/// What was shown of an item so far.
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
                WorkItemStatus::Generating => "picked up; the model writes SPEC.md from the issue".to_owned(),
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
                    "{} of {} boxes are ticked, and pushed",
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
        whim_core::Stage::Preparing => "clones the repository, makes the branch, checks that it may push",
        whim_core::Stage::Working => "ralph runs the Claude Code CLI afresh for each task",
        whim_core::Stage::Testing => "runs the project's own tests",
        whim_core::Stage::Reviewing => "compares the change with the checklist",
        whim_core::Stage::Delivering => "opens the pull request",
    }
}

/// Plain lines, so that a pipe gets the same as a terminal.
struct Screen {
    begin: Instant,
    output: io::Stdout,
}

impl Screen {
    fn say(&mut self, line: &str) -> anyhow::Result<()> {
        writeln!(self.output, "{line}").context("writing to standard output")
    }

    fn stage(&mut self, name: &str, details: &str) -> anyhow::Result<()> {
        let seconds = self.begin.elapsed().as_secs_f64();
        self.say(&format!("{seconds:6.1} s  {name:<12} {details}"))
    }

    fn introduce(&mut self) -> anyhow::Result<()> {
        self.say("Whim turns a labelled issue into a pull request. Here it does so on this machine alone:")?;
        self.say("Postgres, Redis, git, Whim's services, Ralph and the Claude Code CLI are real.")?;
        self.say(
            "GitHub is a stand-in, and the model is SCRIPTED: it knows the solution of this one issue.\n",
        )
    }

    fn result(&mut self, system: &System, issue: u64) -> anyhow::Result<()> {
        let pulls = system.github.pulls(sample::REPOSITORY);
        let [pull] = pulls.as_slice() else {
            bail!("expected one pull request, found {}", pulls.len());
        };
        let issue = system.github.issue(sample::REPOSITORY, issue);
        self.heading(&format!("Pull request #{}: {}", pull.number, pull.title))?;
        self.say(&format!(
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
        self.say(&diff)?;
        self.heading(&format!("The issue's labels: {}", issue.labels.join(", ")))?;
        self.heading("The issue's comment")?;
        for comment in &issue.comments {
            self.say(&comment.body)?;
        }
        self.say("")
    }

    fn heading(&mut self, text: &str) -> anyhow::Result<()> {
        self.say(&format!("\n── {text} ──"))
    }

    fn keep(&mut self, system: &System) -> anyhow::Result<()> {
        self.say("The services stay up until Ctrl-C. Look around, for example:")?;
        self.say(&format!(
            "  curl -H 'Authorization: Bearer {}' {}api/status\n  logs and workspaces: {}",
            system.api_key(),
            system.api_url(),
            system.directory().display()
        ))
    }
}
