//! Resolution of names.

use std::fmt::Debug;
use std::io;
use std::net::IpAddr;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::net::lookup_host;

/// Finds the addresses of a host.
pub trait Resolve: Debug + Send + Sync {
    /// All addresses of the name.
    fn resolve(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The resolver of the machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        async move {
            // Without a final dot, the machine's search domains would apply too.
            let addresses = lookup_host((format!("{name}."), 0)).await?;
            Ok(addresses.map(|address| address.ip()).collect())
        }
        .boxed()
    }
}
