//! How a worker gets what it is entrusted with.
//!
//! As a tar archive on its standard input, which its entry point unpacks into a tmpfs. So no secret is in the
//! environment, in the settings that the engine shows, in an image layer or on a disk; an upload into the container
//! would be on one, because the engine writes below the tmpfs.

use std::io;
use std::pin::Pin;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use whim_containers::USER_ID;
use whim_service::secret::ExposeSecret as _;

use crate::worker_spec::Credential;

/// Writes the credentials and ends the input.
pub(super) async fn send(
    mut input: Pin<Box<dyn AsyncWrite + Send>>,
    credentials: &[Credential],
) -> io::Result<()> {
    input.write_all(&archive(credentials)?).await?;
    input.flush().await?;
    input.shutdown().await
}

fn archive(credentials: &[Credential]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for Credential { file_name, secret } in credentials {
        let content = secret.expose_secret().as_bytes();
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o400);
        header.set_uid(USER_ID.into());
        header.set_gid(USER_ID.into());
        archive.append_data(&mut header, file_name, content)?;
    }
    archive.into_inner()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use whim_service::secret::SecretString;

    use super::*;

    #[test]
    fn each_secret_is_a_file_that_only_the_worker_can_read() {
        let credentials =
            [("worker-token", "abc"), ("github-token", "ghp_1")].map(|(file_name, secret)| Credential {
                file_name,
                secret: SecretString::from(secret),
            });
        let archive = archive(&credentials).unwrap();

        let mut archive = tar::Archive::new(archive.as_slice());
        let files: Vec<(String, u32, String)> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut content = String::new();
                entry.read_to_string(&mut content).unwrap();
                let path = entry.path().unwrap().display().to_string();
                (path, entry.header().mode().unwrap(), content)
            })
            .collect();
        let expected = [("worker-token", "abc"), ("github-token", "ghp_1")]
            .map(|(name, secret)| (name.to_owned(), 0o400, secret.to_owned()));
        assert_eq!(files, expected);
    }
}
