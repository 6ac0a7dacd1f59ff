//! Whether a registry accepts who the user says to be.

use reqwest::StatusCode;

use super::client::Client;
use super::failure;
use super::registries::Endpoint;
use super::transport::Ask;
use crate::base::{Error, Kind, Result};
use crate::oci::Reference;

impl Client {
    /// Shows the registry of `reference` the credentials of the settings, as it demands them. A registry that demands none
    /// accepts everybody.
    pub fn log_in(&self, reference: &Reference) -> Result<()> {
        let (shared, reference) = (self.shared(), reference.clone());
        self.run(async move {
            let endpoint = shared.registries.endpoints(&reference)?.pop();
            let endpoint = endpoint.ok_or_else(|| Error::system("a registry has no endpoint"))?;
            // Tokens are for nothing in particular.
            let source = shared.source(Endpoint { repository: String::new(), ..endpoint }).await?;
            let host = source.endpoint.host.clone();
            let url = source.base.join("v2/").map_err(|_| Error::usage(format!("`{host}` is not a host")))?;
            let response =
                shared.exchange(&source, Ask::get(url, source.trust)).await.map_err(|failure| failure.error)?;
            match response.status() {
                status if status.is_success() => Ok(()),
                StatusCode::NOT_FOUND => Err(Error::new(Kind::Network, format!("`{host}` is not a registry (404)"))
                    .hint("check its name and port")),
                _ => Err(failure::of_status(response).await.error),
            }
        })?
    }
}
