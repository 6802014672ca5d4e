//! `countersign integrations` on the command line.

use clap::{Args, Subcommand};
use countersign_domain::integration::{
    IntegrationKind, MessageAuthenticator, PROMPT_SECONDS, RadiusMode, SESSION_SECONDS,
    UnknownUsers,
};
use countersign_domain::jws_key::JwsAlgorithm;
use countersign_domain::openid_client::{CibaMode, UserCode};
use countersign_domain::sid::{AccountSid, IntegrationSid, ServiceSid};
use countersign_domain::text::FriendlyName;
use countersign_domain::user_mapping::UserRule;

use super::listings::Listing;

/// `integrations`
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Example, for an ssh server:\n  countersign integrations create --service VA0123… --kind duo --name ssh"
)]
pub enum Integrations {
    /// List the integrations of a service, of an account or of all
    List {
        /// Only in this account (AC…)
        #[arg(long, value_name = "SID")]
        account: Option<AccountSid>,
        /// Only in this service (VA…)
        #[arg(long, value_name = "SID")]
        service: Option<ServiceSid>,
        /// How it is printed.
        #[command(flatten)]
        listing: Listing,
    },
    /// Show an integration, and on request who a user name is
    Show {
        /// The integration.
        #[command(flatten)]
        which: Which,
        /// Print the identity of this user name instead
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        /// How it is printed.
        #[command(flatten)]
        listing: Listing,
    },
    /// Create an integration; prints its SID, its key and its secret, which is shown only once
    Create {
        /// The service's SID (VA…)
        #[arg(long, value_name = "SID")]
        service: ServiceSid,
        /// The protocol: duo, radius, openid, keycloak or forward_auth
        #[arg(long)]
        kind: IntegrationKind,
        /// The name that prompts show
        #[arg(long, value_parser = name)]
        name: FriendlyName,
        /// Its settings.
        #[command(flatten)]
        settings: Box<Settings>,
        /// How it is printed.
        #[command(flatten)]
        listing: Listing,
    },
    /// Change what is named
    Update {
        /// The integration.
        #[command(flatten)]
        which: Which,
        /// The name that prompts show
        #[arg(long, value_parser = name)]
        name: Option<FriendlyName>,
        /// Its settings.
        #[command(flatten)]
        settings: Box<Settings>,
        /// How it is printed.
        #[command(flatten)]
        listing: Listing,
    },
    /// Give an integration another secret, which is shown only once; the old one stops working
    Rotate {
        /// The integration.
        #[command(flatten)]
        which: Which,
        /// How it is printed.
        #[command(flatten)]
        listing: Listing,
    },
    /// Delete an integration; its client is refused from then on
    Delete {
        /// The integration.
        #[command(flatten)]
        which: Which,
    },
}

/// The integration that a command is about.
#[derive(Debug, Clone, Copy, Args)]
pub struct Which {
    /// The integration's SID (IG…)
    pub integration: IntegrationSid,
    /// The service's SID (VA…)
    #[arg(long, value_name = "SID")]
    pub service: ServiceSid,
}

/// The settings of an integration; docs/integrate/integrations.md explains them.
#[derive(Debug, Clone, Default, Args)]
pub struct Settings {
    /// How a user name becomes an identity: hashed, exact, lower or strip_domain
    #[arg(long, value_name = "RULE")]
    pub user_rule: Option<UserRule>,
    /// A user name with an identity of its own; may be repeated, and replaces all; empty: none
    #[arg(long = "alias", value_name = "NAME=IDENTITY")]
    pub aliases: Vec<String>,
    /// A user without a device: deny or enrol
    #[arg(long)]
    pub unknown_users: Option<UnknownUsers>,
    /// The presence proofs of an approval, such as number,code; empty: those of the service
    #[arg(long, value_name = "MODES")]
    pub presence: Option<String>,
    /// A network that requests may come from; may be repeated, and replaces all; empty: any
    #[arg(long = "network", value_name = "CIDR")]
    pub networks: Vec<String>,
    /// How long a prompt waits for its answer
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(i64::from(*PROMPT_SECONDS.start())..=i64::from(*PROMPT_SECONDS.end())))]
    pub prompt_life: Option<u32>,
    /// duo: whether signatures without a date are accepted
    #[arg(long, value_name = "true|false")]
    pub legacy: Option<bool>,
    /// radius: wait or challenge
    #[arg(long, value_name = "MODE")]
    pub radius_mode: Option<RadiusMode>,
    /// radius: required or optional
    #[arg(long, value_name = "WORD")]
    pub message_authenticator: Option<MessageAuthenticator>,
    /// openid, and Universal Prompt of duo: where browsers may be led back to; may be repeated, and replaces all; empty: nowhere
    #[arg(long = "redirect-uri", value_name = "URL")]
    pub redirect_uris: Vec<String>,
    /// openid: how ID tokens are signed: RS256 or ES256
    #[arg(long, value_name = "ALGORITHM")]
    pub id_token_alg: Option<JwsAlgorithm>,
    /// openid: how the client learns of answers: off, poll or ping
    #[arg(long, value_name = "MODE")]
    pub ciba: Option<CibaMode>,
    /// openid: where the client is called in the mode ping; empty: nowhere
    #[arg(long, value_name = "URL")]
    pub notification_endpoint: Option<String>,
    /// openid: whether a request must carry a code of the person: off or required
    #[arg(long, value_name = "WORD")]
    pub user_code: Option<UserCode>,
    /// keycloak: the issuer of a realm that asks; may be repeated, and replaces all
    #[arg(long = "issuer", value_name = "URL")]
    pub issuers: Vec<String>,
    /// forward_auth: a site that it protects, with scheme and host; may be repeated, and replaces all
    #[arg(long = "site", value_name = "URL")]
    pub sites: Vec<String>,
    /// forward_auth: how long a browser stays signed in
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(i64::from(*SESSION_SECONDS.start())..=i64::from(*SESSION_SECONDS.end())))]
    pub session_life: Option<u32>,
}

fn name(text: &str) -> Result<FriendlyName, String> {
    FriendlyName::written(text).map_err(|why| why.to_string())
}
