"""Fixtures: two accounts, a service for each test module, and an enrolled phone."""

import os
import uuid
from types import SimpleNamespace

import pytest
from phone import Phone
from secure import SecureServer
from wire import Server


@pytest.fixture(scope="session")
def server():
    return Server.from_environment()


@pytest.fixture(scope="session")
def stranger():
    """Another account on the same server."""
    return Server.from_environment("OTHER_")


@pytest.fixture
def client(server):
    return server.client()


@pytest.fixture(scope="module")
def service(server):
    """A service that lasts for the tests of one module."""
    service = server.client().verify.v2.services.create(friendly_name="Owl Bank")
    yield service
    service.delete()


@pytest.fixture
def identity():
    """An unknown user."""
    return str(uuid.uuid4())


@pytest.fixture
def entity(client, service, identity):
    """The unknown user's entity, which does not exist yet."""
    return client.verify.v2.services(service.sid).entities(identity)


@pytest.fixture
def enrol(server):
    """Makes a factor with backend credentials, as an application does on behalf of a phone."""

    def make(entity, phone=None, platform="fcm", **more):
        phone = phone or Phone(server.url)
        if platform == "fcm":
            more.setdefault("config_notification_token", "fcm-registration-token-" + "0" * 40)
        factor = entity.new_factors.create(
            **{
                "friendly_name": "Ann's phone",
                "factor_type": "push",
                "binding_alg": "ES256",
                "binding_public_key": phone.public_key,
                "config_app_id": "com.example.owlbank",
                "config_notification_platform": platform,
                "config_sdk_version": "0.9.0",
                **more,
            }
        )
        phone.keep(factor)
        return phone, factor

    return make


@pytest.fixture
def verified(entity, enrol):
    """A user with a phone that can be challenged."""

    def make(platform="fcm"):
        phone, factor = enrol(entity, platform=platform)
        entity.factors(factor.sid).update(auth_payload=phone.proof())
        return phone

    return make


@pytest.fixture
def ann(entity, verified):
    """Ann: her entity, her phone, and a way to challenge her."""
    phone = verified()

    def ask(message="Log in to Owl Bank?", **more):
        return entity.challenges.create(factor_sid=phone.sid, details_message=message, **more)

    return SimpleNamespace(entity=entity, phone=phone, ask=ask)


@pytest.fixture(scope="session")
def secure_server(tmp_path_factory):
    """A server over https, whose authority this process trusts."""
    server = SecureServer(tmp_path_factory.mktemp("secure"))
    os.environ["REQUESTS_CA_BUNDLE"] = str(server.certificates.authority)
    server.start()
    yield server
    server.stop()
    del os.environ["REQUESTS_CA_BUNDLE"]
