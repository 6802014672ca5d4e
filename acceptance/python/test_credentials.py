"""Push credentials live in Twilio's Notify product, and so in its part of the SDK."""

import json
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from wire import refused


@pytest.fixture(scope="module")
def apple():
    """A self-signed certificate in Apple's format, and its key."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Apple Push Services: com.example.owlbank")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    return {"certificate": certificate.public_bytes(Encoding.PEM).decode(), "private_key": pem(key)}


@pytest.fixture(scope="module")
def google():
    """A service account in Google's format: the JSON text for `Secret`."""
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "owlbank",
            "private_key_id": "0123456789abcdef",
            "private_key": pem(rsa.generate_private_key(65537, 2048)),
            "client_email": "push@owlbank.example.com",
            "token_uri": "https://oauth2.googleapis.com/token",
        }
    )


def pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_credentials_are_created_fetched_updated_listed_and_deleted(client, server, apple, google):
    credentials = client.notify.v1.credentials
    ios = credentials.create(type="apn", friendly_name="ios test", sandbox=True, **apple)
    android = credentials.create(type="fcm", friendly_name="android", secret=google)

    assert ios.sid.startswith("CR")
    assert (ios.account_sid, ios.type, ios.friendly_name) == (server.account_sid, "apn", "ios test")
    assert (ios.sandbox, android.type) == ("True", "fcm")
    assert isinstance(ios.date_created, datetime) and isinstance(ios.date_updated, datetime)
    assert ios.url.endswith(f"/v1/Credentials/{ios.sid}")

    updated = credentials(ios.sid).update(friendly_name="ios", sandbox=False)
    assert (updated.friendly_name, updated.sandbox) == ("ios", "False")
    assert credentials(ios.sid).fetch().friendly_name == "ios"
    assert {ios.sid, android.sid} <= {item.sid for item in credentials.stream(page_size=1)}

    for made in (ios, android):
        assert credentials(made.sid).delete() is True
        with refused(404, 20404):
            credentials(made.sid).fetch()


def test_no_answer_tells_a_secret(client, apple, google):
    credentials = client.notify.v1.credentials
    for secrets in ({"type": "apn", **apple}, {"type": "fcm", "secret": google}):
        made = credentials.create(**secrets)
        assert client.http_client.body().keys() == {
            "sid",
            "account_sid",
            "friendly_name",
            "type",
            "sandbox",
            "date_created",
            "date_updated",
            "url",
        }
        credentials(made.sid).delete()


def test_a_service_pushes_with_the_credentials_it_is_given(client, apple, google):
    ios = client.notify.v1.credentials.create(type="apn", **apple)
    android = client.notify.v1.credentials.create(type="fcm", secret=google)

    service = client.verify.v2.services.create(
        friendly_name="Owl Bank", push_apn_credential_sid=ios.sid, push_fcm_credential_sid=android.sid
    )

    assert service.push == {"include_date": False, "apn_credential_sid": ios.sid, "fcm_credential_sid": android.sid}
    with refused(400, 60200):
        client.verify.v2.services(service.sid).update(push_fcm_credential_sid=ios.sid)
    client.verify.v2.services(service.sid).delete()
