//! A phone that has enrolled: its identity towards the server, and the calls about its own factor.

use std::fmt;
use std::sync::Arc;

use reqwest::Method;
use url::Url;

use crate::clock::Clock;
use crate::error::Error;
use crate::factor::{Factor, Platform, SDK_VERSION};
use crate::jwt::{Device, device_jwt};
use crate::key::DeviceKey;
use crate::registration::Registration;
use crate::server::{Answer, Call, Server};

/// An enrolled phone. Clones are the same phone.
#[derive(Clone)]
pub struct Phone {
    inner: Arc<Inner>,
}

struct Inner {
    server: Server,
    registration: Registration,
    key: DeviceKey,
    clock: Clock,
}

impl Phone {
    pub(crate) fn new(
        server: Server,
        registration: Registration,
        key: DeviceKey,
        clock: Clock,
    ) -> Self {
        let inner = Inner { server, registration, key, clock };
        Self { inner: Arc::new(inner) }
    }

    /// Proves to the server that the phone holds the key; the factor is verified afterwards.
    pub async fn verify(&self) -> Result<(), Error> {
        let proof = self.key().sign_der_base64(self.factor_sid().as_bytes())?;
        let answer = self.post(self.factor_url()?, &[("AuthPayload", &proof)]).await?;
        match Factor::parse(&answer.object()?)?.verified {
            true => Ok(()),
            false => Err(Error::malformed("a verified factor that reads unverified")),
        }
    }

    /// Tells the server where prompts go from now on.
    pub async fn update_push_token(&self, platform: &Platform) -> Result<(), Error> {
        let mut form = vec![
            ("FriendlyName", self.registration().friendly_name.as_str()),
            ("Config.SdkVersion", SDK_VERSION),
            ("Config.AppId", &self.registration().app_id),
        ];
        form.extend(platform.form());
        let answer = self.post(self.factor_url()?, &form).await?;
        Factor::parse(&answer.object()?).map(|_| ())
    }

    /// Deletes the factor. As in the mobile SDKs, a factor that is not there any more (404), or
    /// whose key the server no longer knows (401 twice), counts as deleted.
    pub async fn delete(&self) -> Result<(), Error> {
        let call = Call { method: Method::DELETE, url: self.factor_url()?, form: &[] };
        match self.call(&call).await {
            Ok(_) => Ok(()),
            Err(Error::Api(error)) if matches!(error.status, 401 | 404) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The phone's factor, `YF…`.
    pub fn factor_sid(&self) -> &str {
        &self.registration().factor_sid
    }

    /// The account of the factor, `AC…`.
    pub fn account_sid(&self) -> &str {
        &self.registration().account_sid
    }

    /// The service of the factor, `VA…`.
    pub fn service_sid(&self) -> &str {
        &self.registration().service_sid
    }

    /// The application's name for the person.
    pub fn identity(&self) -> &str {
        &self.registration().identity
    }

    /// The id of the phone's public key, `CR…`: the `kid` of its tokens.
    pub fn credential_sid(&self) -> &str {
        &self.registration().credential_sid
    }

    /// The phone's key.
    pub fn key(&self) -> &DeviceKey {
        &self.inner.key
    }

    /// The server the phone enrolled with.
    pub fn server(&self) -> &Server {
        &self.inner.server
    }

    /// Seconds by which the server's clock was found to be ahead of the phone's.
    pub fn clock_offset(&self) -> i64 {
        self.inner.clock.offset()
    }

    /// A fresh device token: the password of a call, with the user `token`.
    pub fn device_jwt(&self) -> Result<String, Error> {
        self.signed_in(None)
    }

    pub(crate) fn signed_in(&self, nonce: Option<&str>) -> Result<String, Error> {
        let device =
            Device { credential_sid: self.credential_sid(), account_sid: self.account_sid() };
        device_jwt(self.key(), device, self.inner.clock.now(), nonce)
    }

    pub(crate) fn registration(&self) -> &Registration {
        &self.inner.registration
    }

    pub(crate) fn correct_clock(&self, server_now: i64) {
        self.inner.clock.correct(server_now);
    }

    /// A URL below the phone's own entity.
    pub(crate) fn entity_url(&self, below: &[&str]) -> Result<Url, Error> {
        let entity = ["v2", "Services", self.service_sid(), "Entities", self.identity()];
        self.server().url(&[&entity, below].concat())
    }

    fn factor_url(&self) -> Result<Url, Error> {
        self.entity_url(&["Factors", self.factor_sid()])
    }

    pub(crate) async fn get(&self, url: Url) -> Result<Answer, Error> {
        self.call(&Call { method: Method::GET, url, form: &[] }).await
    }

    pub(crate) async fn post(&self, url: Url, form: &[(&str, &str)]) -> Result<Answer, Error> {
        self.call(&Call { method: Method::POST, url, form }).await
    }

    /// Makes a call as this device. A 401 is taken for a wrong clock: the phone learns the time
    /// from the `Date` header and tries exactly once more.
    async fn call(&self, call: &Call<'_>) -> Result<Answer, Error> {
        let answer = self.server().send(call, ("token", &self.device_jwt()?)).await?;
        let (401, Some(server_now)) = (answer.status, answer.date) else {
            return answer.accepted();
        };
        self.correct_clock(server_now);
        let again = self.server().send(call, ("token", &self.device_jwt()?)).await?;
        again.accepted()
    }
}

/// Shows who the phone is, and never its key.
impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Phone")
            .field("server", &self.server().base_url().as_str())
            .field("registration", self.registration())
            .finish_non_exhaustive()
    }
}
