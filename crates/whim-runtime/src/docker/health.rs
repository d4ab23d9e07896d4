//! Whether workers can be started, and how well they are isolated.

use bollard::query_parameters::ListContainersOptionsBuilder;

use super::engine::{missing_image, refusal};
use super::inner::Inner;
use crate::runtime::RuntimeError;

impl Inner {
    pub(super) async fn health(&self) -> Result<String, RuntimeError> {
        let engine = self.engine.ping().await;
        let engine = engine.map_err(|error| RuntimeError::new(error.to_string(), error))?;
        let docker = self.engine.connected().await;
        let docker = docker.map_err(|error| RuntimeError::new(error.to_string(), error))?;
        let patched = self.require_patched_runc(docker).await;
        patched.map_err(|error| RuntimeError::new(error.to_string(), error))?;
        let image = &self.config.image;
        match docker.inspect_image(image).await {
            Ok(_) => Ok(format!("{engine}, image {image}")),
            Err(error) if refusal(&error) == Some(404) => Err(RuntimeError::new(missing_image(image), error)),
            Err(error) => Err(RuntimeError::new(format!("inspecting the image {image}"), error)),
        }
    }

    pub(super) async fn warnings(&self) -> Vec<String> {
        // An unavailable engine is reported by `health`.
        self.check_for_weaknesses().await.unwrap_or_default()
    }

    async fn check_for_weaknesses(&self) -> anyhow::Result<Vec<String>> {
        let mut warnings = Vec::new();
        if !self.has_firewall().await? {
            let network = &self.config.network;
            warnings.push(format!(
                "Workers can reach this machine's own ports: no firewall runs for the network {network} (the service \
                 `firewall` of the compose file)."
            ));
        }
        let docker = self.engine.connected().await?;
        if !self.config.require_fixed_runc {
            warnings.extend(self.runc_warning(docker).await?);
        }
        Ok(warnings)
    }

    async fn has_firewall(&self) -> anyhow::Result<bool> {
        let docker = self.engine.connected().await?;
        let filters = whim_containers::firewall_of(&self.config.network);
        let options = ListContainersOptionsBuilder::new().filters(&filters).build();
        Ok(!docker.list_containers(Some(options)).await?.is_empty())
    }
}
