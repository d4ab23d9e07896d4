//! `cargo xtask bench learnings`: how well and how fast learnings are found.
//!
//! Quality is measured on the retrieval set, with the real embedding model and the functions that serve attempts; latency with
//! random vectors, because only their number matters.

#![expect(clippy::print_stdout, reason = "a command-line program")]

mod latency;
mod quality;
mod set;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use whim_orchestrator::config::Config;
use whim_orchestrator::learnings::Embedder;
use whim_service::environment::Environment;
use whim_testkit::postgres::Postgres;
use whim_testkit::tools;

/// Measures the retrieval of learnings
#[derive(Debug, Parser)]
struct Options {
    /// The embedder [default: beside the benchmark's build]
    #[arg(long)]
    embedder: Option<PathBuf>,
    /// Numbers of learnings for the latency; none skips it
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,100000")]
    sizes: Vec<u32>,
    /// Cargo passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let embedder = match &options.embedder {
        Some(program) => program.clone(),
        None => beside()?,
    };
    let model = tools::embedding_model()?;
    let settings = [
        ("GITHUB_TOKEN", "unused"),
        ("ANTHROPIC_API_KEY", "unused"),
        (
            "EMBEDDER_PROGRAM",
            embedder.to_str().context("the embedder's path")?,
        ),
        ("EMBEDDING_MODEL_DIR", model.to_str().context("the model's path")?),
    ];
    let config = Config::from_environment(Environment::from_pairs(settings))?.config;
    let embedder = Embedder::new(config.learnings);
    let postgres = Postgres::start_durable().await?;
    let database = postgres.create_database().await?;
    let pool: PgPool = PgPoolOptions::new()
        .max_connections(8)
        .connect(database.url())
        .await?;
    whim_orchestrator::db::MIGRATOR.run(&pool).await?;
    quality::measure(&pool, &embedder).await?;
    latency::measure(&pool, &options.sizes).await
}

/// `target/release/deps/learnings-…` → `target/release/whim-embedder`.
fn beside() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe()?;
    let directory = this.ancestors().nth(2).context("the build directory")?;
    Ok(directory.join("whim-embedder"))
}
