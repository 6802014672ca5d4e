//! Which client a request comes from: RADIUS clients have no name, only an address and a secret.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::sync::Arc;

use countersign_domain::integration::MessageAuthenticator;
use countersign_verify::OpenedIntegration;

use super::packet::{Packet, code, kind};
use super::sums::is_authentic;

/// The most clients of one address whose secrets are tried.
const MOST_TRIED: usize = 16;

/// Why a request has no client. It is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ClientError {
    /// No integration has its address.
    #[error("no integration has this address")]
    Unknown,
    /// Its Message-Authenticator is that of no secret.
    #[error("its Message-Authenticator is wrong: the secrets differ")]
    Wrong,
    /// It has no Message-Authenticator, and must.
    #[error("it has no Message-Authenticator, which this integration requires")]
    Missing,
    /// It has no Message-Authenticator, and several integrations have its address.
    #[error("it has no Message-Authenticator, and several integrations have this address")]
    Ambiguous,
}

impl ClientError {
    /// The label in metrics.
    pub(super) const fn outcome(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Wrong | Self::Missing | Self::Ambiguous => "unauthenticated",
        }
    }
}

/// The client of a packet. Of several with its address it is the one whose secret made the Message-Authenticator; those with the
/// smaller networks are tried first.
pub(super) fn find<'a>(
    clients: &'a [Arc<OpenedIntegration>],
    from: IpAddr,
    packet: &Packet<'_>,
) -> Result<&'a Arc<OpenedIntegration>, ClientError> {
    let prefix = |client: &OpenedIntegration| client.integration.settings.networks.holds(from);
    let mut there: Vec<_> =
        clients.iter().filter_map(|client| prefix(client).map(|size| (size, client))).collect();
    there.sort_by_key(|(size, client)| (Reverse(*size), client.integration.sid));
    there.truncate(MOST_TRIED);
    let Some((smallest, first)) = there.first().copied() else { return Err(ClientError::Unknown) };
    if packet.first(kind::MESSAGE_AUTHENTICATOR).is_some() {
        let is_of = |client: &OpenedIntegration| {
            is_authentic(packet, client.secret.expose().as_bytes()) == Some(true)
        };
        let found = there.iter().find(|(_, client)| is_of(client));
        return found.map(|(_, client)| *client).ok_or(ClientError::Wrong);
    }
    if there.iter().filter(|(size, _)| *size == smallest).count() > 1 {
        return Err(ClientError::Ambiguous);
    }
    let wanted = first.integration.settings.message_authenticator;
    // Without it, a proxy's state can carry a forged response (CVE-2024-3596).
    let is_safe = packet.code == code::ACCESS_REQUEST && packet.first(kind::PROXY_STATE).is_none();
    if wanted == MessageAuthenticator::Optional && is_safe {
        Ok(first)
    } else {
        Err(ClientError::Missing)
    }
}

#[cfg(test)]
mod tests {
    use countersign_domain::integration::{Integration, IntegrationKind};
    use countersign_domain::secret::Secret;
    use countersign_domain::source_networks::SourceNetworks;
    use countersign_testkit::Fixtures;
    use data_encoding::HEXLOWER;

    use super::*;

    const AUTHENTICATED: &str = "0136003ddf0433412484456aa35983c63f9efc0d0105616e6e0212aff21fd1493bdd7750be42b772e97cde5012a005fc08b0e1ed984016a335a0f59e3e";
    const BARE: &str =
        "0122002bbe67a7f2a51016e8ee185b1bc9bb03be0105616e6e0212492e80c31389671e796abbd65deb4a4c";

    fn client(
        make: &Fixtures,
        network: &str,
        secret: &str,
        wanted: MessageAuthenticator,
    ) -> Arc<OpenedIntegration> {
        let service = make.service(&make.account());
        let made = make.integration(&service);
        let mut settings = made.settings.clone();
        settings.networks = SourceNetworks::parse([network].into_iter()).unwrap();
        settings.message_authenticator = wanted;
        let integration = Integration { kind: IntegrationKind::Radius, settings, ..made };
        Arc::new(OpenedIntegration { integration, secret: Secret::new(secret) })
    }

    fn found(
        clients: &[Arc<OpenedIntegration>],
        from: &str,
        packet: &str,
    ) -> Result<usize, ClientError> {
        let bytes = HEXLOWER.decode(packet.as_bytes()).unwrap();
        let packet = Packet::parse(&bytes).unwrap();
        let found = find(clients, from.parse().unwrap(), &packet)?;
        Ok(clients.iter().position(|client| Arc::ptr_eq(client, found)).unwrap())
    }

    #[test]
    fn the_client_is_the_one_whose_secret_fits() {
        use MessageAuthenticator::{Optional, Required};
        let make = Fixtures::new(1);
        let clients = [
            client(&make, "192.0.2.0/24", "testing123", Required),
            client(&make, "192.0.2.7", "other", Required),
            client(&make, "198.51.100.0/24", "testing123", Optional),
        ];
        assert_eq!(
            found(&clients, "192.0.2.7", AUTHENTICATED),
            Ok(0),
            "another has a smaller network"
        );
        assert_eq!(found(&clients[1..], "192.0.2.7", AUTHENTICATED), Err(ClientError::Wrong));
        assert_eq!(found(&clients, "203.0.113.1", AUTHENTICATED), Err(ClientError::Unknown));
        assert_eq!(found(&clients, "192.0.2.8", BARE), Err(ClientError::Missing));
        assert_eq!(found(&clients, "198.51.100.9", BARE), Ok(2));
    }

    #[test]
    fn without_a_message_authenticator_the_address_must_tell() {
        use MessageAuthenticator::Optional;
        let make = Fixtures::new(1);
        let clients = [
            client(&make, "192.0.2.0/24", "testing123", Optional),
            client(&make, "192.0.2.0/24", "other", Optional),
            client(&make, "192.0.2.7", "third", Optional),
        ];
        assert_eq!(found(&clients, "192.0.2.8", BARE), Err(ClientError::Ambiguous));
        assert_eq!(found(&clients, "192.0.2.7", BARE), Ok(2), "the smallest network");
        let mut proxied = HEXLOWER.decode(BARE.as_bytes()).unwrap();
        proxied.extend([kind::PROXY_STATE, 3, 1]);
        proxied[3] += 3;
        let packet = Packet::parse(&proxied).unwrap();
        let refused = find(&clients[..1], "192.0.2.8".parse().unwrap(), &packet);
        assert_eq!(refused.err(), Some(ClientError::Missing));
    }
}
