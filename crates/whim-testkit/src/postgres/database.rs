//! A database per test.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};
use url::Url;
use uuid::Uuid;

use super::server::Postgres;
use crate::tools;

const PREFIX: &str = "whim_test_";
const KEPT_FOR: Duration = Duration::from_hours(24);

/// The database of one test. Dropped with the test, except on a shared server after a panic: then it is kept for a day.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    url: String,
    server: Postgres,
}

impl Postgres {
    /// The server that `DATABASE_URL` names, or else one of the test's own.
    ///
    /// # Errors
    /// Postgres is not installed, does not start, or does not respond under `DATABASE_URL`.
    pub async fn shared_or_start() -> anyhow::Result<Self> {
        match tools::environment("DATABASE_URL") {
            Some(url) => Self::at(url).await.context("use the Postgres of DATABASE_URL"),
            None => Self::start().await,
        }
    }

    /// A server that the test did not start. Databases of tests that are older than a day are removed from it.
    ///
    /// # Errors
    /// It does not respond.
    pub async fn at(url: impl Into<String>) -> anyhow::Result<Self> {
        let server = Self::external(url.into());
        sweep(&server).await.context("remove old test databases")?;
        Ok(server)
    }

    /// An empty database with a unique name.
    ///
    /// # Errors
    /// The server does not respond, or refuses.
    pub async fn create_database(&self) -> anyhow::Result<TestDatabase> {
        TestDatabase::create_on(self.clone()).await
    }
}

impl TestDatabase {
    /// An empty database on the server of `DATABASE_URL`, or else on one of its own.
    ///
    /// # Errors
    /// Those of [`Postgres::shared_or_start`] and [`Postgres::create_database`].
    pub async fn create() -> anyhow::Result<Self> {
        Postgres::shared_or_start().await?.create_database().await
    }

    /// The value of `DATABASE_URL` for the program under test.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn server(&self) -> &Postgres {
        &self.server
    }

    /// Connects with a pool.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn connect(&self) -> anyhow::Result<PgPool> {
        PgPool::connect(&self.url)
            .await
            .context("connect to the test's database")
    }

    /// Terminates the backend of another connection, as if it had crashed; `false` if there is none.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn terminate_backend(&self) -> anyhow::Result<bool> {
        let mut connection = self.server.connect(None).await?;
        let terminated: Option<bool> = sqlx::query_scalar(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where datname = $1 and backend_type = 'client backend' order by random() limit 1",
        )
        .bind(&self.name)
        .fetch_optional(&mut connection)
        .await
        .context("terminate a backend")?;
        connection.close().await?;
        Ok(terminated == Some(true))
    }

    async fn create_on(server: Postgres) -> anyhow::Result<Self> {
        let age = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!("{PREFIX}{}_{}", age.as_secs(), Uuid::new_v4().simple());
        let mut url = Url::parse(server.url()).context("read the URL of Postgres")?;
        url.set_path(&name);
        let mut connection = server.connect(None).await?;
        sqlx::raw_sql(AssertSqlSafe(format!(r#"create database "{name}""#)))
            .execute(&mut connection)
            .await
            .context("create a database for the test")?;
        connection.close().await?;
        Ok(Self {
            name,
            url: url.into(),
            server,
        })
    }

    /// Only a server that outlives the test needs this.
    fn drop_on_shared_server(&self) -> anyhow::Result<()> {
        // The test's own runtime may be this thread's, and cannot be waited for.
        thread::scope(|scope| {
            let work = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                runtime.block_on(async {
                    let mut connection = self.server.connect(None).await?;
                    drop_database(&mut connection, &self.name).await
                })
            });
            work.join()
                .unwrap_or_else(|_| anyhow::bail!("the thread panicked"))
        })
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if self.server.is_own() {
            return;
        }
        if thread::panicking() {
            tracing::warn!(database = self.name, "kept for inspection for a day");
        } else if let Err(error) = self.drop_on_shared_server() {
            tracing::warn!(database = self.name, "could not be dropped: {error:#}");
        }
    }
}

/// Drops the databases of tests that panicked or were killed more than a day ago.
async fn sweep(server: &Postgres) -> anyhow::Result<()> {
    let mut connection = server.connect(None).await?;
    let names: Vec<String> =
        sqlx::query_scalar("select datname from pg_database where starts_with(datname, $1)")
            .bind(PREFIX)
            .fetch_all(&mut connection)
            .await?;
    for name in names {
        if created_at(&name)
            .and_then(|created| created.elapsed().ok())
            .is_some_and(|age| age > KEPT_FOR)
        {
            drop_database(&mut connection, &name).await?;
        }
    }
    Ok(connection.close().await?)
}

fn created_at(name: &str) -> Option<SystemTime> {
    let seconds = name.strip_prefix(PREFIX)?.split('_').next()?.parse().ok()?;
    Some(UNIX_EPOCH + Duration::from_secs(seconds))
}

async fn drop_database(connection: &mut PgConnection, name: &str) -> anyhow::Result<()> {
    // Another test run may sweep at the same time.
    sqlx::raw_sql(AssertSqlSafe(format!(
        r#"drop database if exists "{name}" with (force)"#
    )))
    .execute(connection)
    .await
    .with_context(|| format!("drop the database {name}"))?;
    Ok(())
}
