//! A person with a device: the device's key, its factor, and what it signs.

use std::sync::OnceLock;

use anyhow::Context as _;
use countersign_domain::address::{Address, Platform};
use countersign_domain::challenge::{Challenge, SIGNED_FIELDS, Verdict};
use countersign_domain::factor::Factor;
use countersign_domain::key;
use countersign_domain::sid::{AccountSid, ServiceSid};
use countersign_domain::text::{AppId, FriendlyName, Identity, SdkVersion};
use countersign_domain::time::Instant;
use countersign_phone::jwt::{self, Device};
use countersign_phone::{DeviceKey, Verdict as PhoneVerdict};
use countersign_verify::Caller;
use countersign_verify::Verify;
use countersign_verify::factors::{FactorUpdate, NewFactor};

/// The most persons of a run.
const KEYS: usize = 8;

/// A person and the device.
pub(crate) struct Person {
    /// The device.
    pub(crate) factor: Factor,
    key: &'static DeviceKey,
}

/// The key of a device. Keys are made once in a process, by the system's randomness, which no event depends on.
fn device_key(number: usize) -> anyhow::Result<&'static DeviceKey> {
    static MADE: OnceLock<Vec<DeviceKey>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let keys = (0..KEYS).map(|_| DeviceKey::generate());
        keys.filter_map(Result::ok).collect()
    });
    made.get(number % KEYS).context("the system makes no keys")
}

impl Person {
    /// Enrols a person with a verified device.
    ///
    /// # Errors
    /// The server refuses it.
    pub(crate) async fn enrol(
        verify: &Verify,
        (account, service): (AccountSid, ServiceSid),
        number: usize,
        platform: Platform,
    ) -> anyhow::Result<Self> {
        let key = device_key(number)?;
        let identity = Identity::parse(format!("person-{number:08}"))?;
        let token = (platform == Platform::Fcm).then(|| format!("{number:040x}"));
        let new = NewFactor {
            friendly_name: FriendlyName::parse("phone")?,
            key: key::DeviceKey::read(&key.public_key_base64()?)?,
            app_id: AppId::parse("com.example.owlbank")?,
            sdk_version: SdkVersion::parse("1.3.0")?,
            address: Address::from_stored(platform, token),
            takes_numbers: false,
            metadata: None,
        };
        let caller = Caller::Application(account);
        let factor = verify.enrol(&caller, service, &identity, new).await?;
        let proof = key.sign_der_base64(factor.sid.to_string().as_bytes())?;
        let update = FactorUpdate {
            proof: countersign_domain::base64::decode(&proof),
            ..FactorUpdate::default()
        };
        let factor = verify.update_factor(&caller, service, &identity, factor.sid, update).await?;
        Ok(Self { factor, key })
    }

    /// Whether the device holds a stream.
    pub(crate) fn streams(&self) -> bool {
        self.factor.address.platform() == Platform::Stream
    }

    /// The token that authenticates a request of the device.
    ///
    /// # Errors
    /// The key cannot sign.
    pub(crate) fn token(&self, now: Instant) -> anyhow::Result<String> {
        let (credential, account) =
            (self.factor.key_sid.to_string(), self.factor.owner.account.to_string());
        let device = Device { credential_sid: &credential, account_sid: &account };
        Ok(jwt::device_jwt(self.key, device, now.as_seconds(), None)?)
    }

    /// The signed answer to a challenge.
    ///
    /// # Errors
    /// The key cannot sign.
    pub(crate) fn answer(&self, challenge: &Challenge, verdict: Verdict) -> anyhow::Result<String> {
        let verdict = match verdict {
            Verdict::Approved => PhoneVerdict::Approved,
            Verdict::Denied => PhoneVerdict::Denied,
        };
        let fields = SIGNED_FIELDS.map(str::to_owned);
        let members = challenge.signed_members().to_map();
        Ok(jwt::answer_jwt(self.key, &members, &fields, verdict)?)
    }
}
