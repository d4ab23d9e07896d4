//! A Postgres with pgvector: the server that `DATABASE_URL` names, or one of the test's own.

mod database;
mod installation;
mod server;
mod version;

pub use self::database::TestDatabase;
pub use self::server::Postgres;
