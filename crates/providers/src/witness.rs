//! Asks a witness of the transparency log for a cosignature (c2sp.org/tlog-witness).

use std::time::Duration;

use async_trait::async_trait;
use countersign_domain::invalid::Invalid;
use countersign_tlog::VerifierKey;
use countersign_tlog::note::SignatureLine;
use countersign_tlog::witness::{AddCheckpoint, read_cosignature};
use reqwest::{Client, StatusCode};
use url::Url;

use crate::outgoing::Outgoing;

/// How long a witness has to respond.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The largest response that is read, in bytes.
const RESPONSE_MAX: usize = 16 * 1024;

/// Why a witness has not cosigned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    /// It saw a tree of another size last.
    #[error("it saw a log of {0} entries last")]
    Size(u64),
    /// It did not respond, or with an error.
    #[error("{0}")]
    Failed(String),
}

/// A witness.
#[async_trait]
pub trait Witness: Send + Sync {
    /// Its name.
    fn name(&self) -> &str;
    /// Asks for a cosignature of a checkpoint.
    async fn cosign(&self, request: &AddCheckpoint) -> Result<SignatureLine, WitnessError>;
}

/// A witness that is reached by HTTP. The operator names it, so it may be in a private network.
pub struct HttpWitness {
    client: Client,
    url: Url,
    key: VerifierKey,
}

impl HttpWitness {
    /// The witness at a URL, such as `https://witness.example`, with its key.
    ///
    /// # Errors
    /// The settings for outgoing calls cannot be used.
    pub fn new(outgoing: &Outgoing, url: Url, key: VerifierKey) -> Result<Self, Invalid> {
        let client = outgoing.operators_client(TIMEOUT)?;
        Ok(Self { client, url, key })
    }

    async fn post(&self, body: String) -> Result<(StatusCode, String), reqwest::Error> {
        let url = format!("{}/add-checkpoint", self.url.as_str().trim_end_matches('/'));
        let mut response = self.client.post(url).body(body).timeout(TIMEOUT).send().await?;
        let mut text = Vec::new();
        while let Some(part) = response.chunk().await? {
            text.extend_from_slice(&part);
            if text.len() > RESPONSE_MAX {
                break;
            }
        }
        Ok((response.status(), String::from_utf8_lossy(&text).into_owned()))
    }
}

#[async_trait]
impl Witness for HttpWitness {
    fn name(&self) -> &str {
        &self.key.name
    }

    async fn cosign(&self, request: &AddCheckpoint) -> Result<SignatureLine, WitnessError> {
        let failed = |why: String| WitnessError::Failed(why);
        let (status, text) =
            self.post(request.to_string()).await.map_err(|error| failed(error.to_string()))?;
        match (status, text.trim().parse()) {
            (StatusCode::OK, _) => read_cosignature(&text, &request.checkpoint, &self.key)
                .map_err(|error| failed(error.to_string())),
            (StatusCode::CONFLICT, Ok(size)) if size != request.old => {
                Err(WitnessError::Size(size))
            }
            (status, _) => Err(failed(format!("it responds {status}"))),
        }
    }
}
