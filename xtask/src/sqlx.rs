//! Offline data of the checked queries: like `cargo sqlx prepare`, with a temporary database and no tool to install.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context as _, ensure};
use sqlx::migrate::Migrator;
use tempfile::TempDir;
use whim_testkit::postgres::Postgres;

use crate::command::{cargo, run};
use crate::workspace::Workspace;

/// The only crate with queries (`tidy` checks it).
const CRATE: &str = "whim-orchestrator";

const DATA_DIRECTORY: &str = ".sqlx";

/// File name to content.
type QueryData = BTreeMap<String, String>;

/// Regenerates `.sqlx/`; removes files of queries that no longer exist.
///
/// # Errors
/// A migration or a query is wrong; `.sqlx/` is unchanged.
pub async fn prepare(workspace: &Workspace) -> anyhow::Result<ExitCode> {
    let fresh = generate(workspace).await?;
    let directory = workspace.root().join(DATA_DIRECTORY);
    let committed = read_data(&directory)?;
    fs::create_dir_all(&directory)?;
    for name in committed.keys().filter(|name| !fresh.contains_key(*name)) {
        fs::remove_file(directory.join(name))?;
    }
    for (name, content) in fresh
        .iter()
        .filter(|(name, content)| committed.get(*name) != Some(*content))
    {
        fs::write(directory.join(name), content)?;
    }
    println!(
        "{DATA_DIRECTORY}: {} queries, {} changes",
        fresh.len(),
        differences(&committed, &fresh).len()
    );
    Ok(ExitCode::SUCCESS)
}

/// Compares `.sqlx/` with what `prepare` would write.
///
/// # Errors
/// A migration or a query is wrong.
pub async fn check(workspace: &Workspace) -> anyhow::Result<ExitCode> {
    let fresh = generate(workspace).await?;
    let committed = read_data(&workspace.root().join(DATA_DIRECTORY))?;
    let differences = differences(&committed, &fresh);
    if differences.is_empty() {
        println!("{DATA_DIRECTORY}: {} queries, up to date", fresh.len());
        return Ok(ExitCode::SUCCESS);
    }
    for difference in differences {
        println!("{DATA_DIRECTORY}/{difference}");
    }
    println!(
        "the offline query data is out of date: run `cargo xtask sqlx prepare` and commit {DATA_DIRECTORY}/"
    );
    Ok(ExitCode::FAILURE)
}

async fn generate(workspace: &Workspace) -> anyhow::Result<QueryData> {
    let postgres = Postgres::shared_or_start().await.context("starting Postgres")?;
    let database = postgres.create_database().await.context("creating a database")?;
    let pool = database.connect().await.context("connecting to the database")?;
    let migrations = workspace.root().join("migrations");
    let migrator = Migrator::new(migrations.as_path())
        .await
        .context("reading the migrations")?;
    migrator.run(&pool).await.context("applying the migrations")?;
    pool.close().await;

    let data = TempDir::new()?;
    touch_crate_roots(workspace)?;
    let mut cargo = cargo(
        workspace.root(),
        ["check", "--quiet", "--package", CRATE, "--all-targets"],
    );
    cargo
        .env("SQLX_OFFLINE", "false")
        .env("SQLX_OFFLINE_DIR", data.path())
        .env("DATABASE_URL", database.url());
    let status = run(cargo).await?;
    // Otherwise the next build would reuse the run above.
    touch_crate_roots(workspace)?;
    ensure!(
        status.success(),
        "the queries do not match the database: see above"
    );
    read_data(data.path())
}

/// The macros run again only if cargo considers the crate changed.
fn touch_crate_roots(workspace: &Workspace) -> anyhow::Result<()> {
    let root = workspace.root().join("crates").join(CRATE);
    for file in ["src/lib.rs", "src/main.rs", "tests/it/main.rs"] {
        let path = root.join(file);
        if path.exists() {
            let file = File::options()
                .append(true)
                .open(&path)
                .with_context(|| format!("opening {}", path.display()))?;
            file.set_modified(SystemTime::now())?;
        }
    }
    Ok(())
}

fn read_data(directory: &Path) -> anyhow::Result<QueryData> {
    let mut data = QueryData::new();
    if !directory.exists() {
        return Ok(data);
    }
    for entry in fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("query-") && name.ends_with(".json") {
            data.insert(name, fs::read_to_string(entry.path())?);
        }
    }
    Ok(data)
}

fn differences(committed: &QueryData, fresh: &QueryData) -> Vec<String> {
    let names: BTreeSet<&String> = committed.keys().chain(fresh.keys()).collect();
    names
        .into_iter()
        .filter_map(|name| match (committed.get(name), fresh.get(name)) {
            (Some(committed), Some(fresh)) if committed == fresh => None,
            (Some(_), Some(_)) => Some(format!("{name}: differs")),
            (None, Some(_)) => Some(format!("{name}: missing")),
            (Some(_), None) => Some(format!("{name}: its query no longer exists")),
            (None, None) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(entries: &[(&str, &str)]) -> QueryData {
        entries
            .iter()
            .map(|(name, content)| ((*name).to_owned(), (*content).to_owned()))
            .collect()
    }

    #[test]
    fn equal_data_has_no_differences() {
        let same = data(&[("query-1.json", "{}")]);
        assert_eq!(differences(&same, &same.clone()), [""; 0]);
    }

    #[test]
    fn missing_changed_and_stale_data_is_reported() {
        let committed = data(&[("query-1.json", "old"), ("query-2.json", "{}")]);
        let fresh = data(&[("query-1.json", "new"), ("query-3.json", "{}")]);
        assert_eq!(
            differences(&committed, &fresh),
            [
                "query-1.json: differs",
                "query-2.json: its query no longer exists",
                "query-3.json: missing"
            ]
        );
    }
}
