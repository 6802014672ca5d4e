"""Debian's `pam_radius_auth`, by `pamtester`: a machine that asks by RADIUS."""

import socket

import pytest
from pam import HOST, authenticate, only_here
from secure import ME, Integration, unused_port

pytestmark = only_here

# A password, long so that another secret surely makes no text of it, then Enter as often as the server says to ask again.
TYPED = "s3cret" * 10 + "\n" * 21


class Machine:
    """A machine that asks from this address, without a Message-Authenticator, which Debian 12's module does not send."""

    def __init__(self, server, address, **more):
        own = {"Radius.MessageAuthenticator": "optional", "Networks": address, "PromptLife": "60"}
        self.integration = Integration(server, FriendlyName="Owl login", Kind="radius", **own, **more)
        self.address = address

    def log_in(self, folder, secret=None, port=None, patience=60):
        """The status of a login, and what was said."""
        where = f"127.0.0.1:{port or self.integration.server.radius_port}"
        configuration = folder / "pam_radius_auth.conf"
        configuration.touch(0o600)
        configuration.write_text(f"{where} {secret or self.integration.secret} {patience} {self.address}\n")
        options = (f"conf={configuration}", "retry=0", "max_challenge=20")
        return authenticate(folder, ME, "pam_radius_auth", *options, typed=TYPED)


@pytest.fixture(scope="module")
def machine(secure_server):
    """One that waits for the person."""
    return Machine(secure_server, "127.0.0.2")


@pytest.mark.parametrize(("answer", "status"), [("approved", 0), ("denied", 1)])
def test_a_login_waits_for_the_person(machine, tmp_path, answer, status):
    with machine.integration.person(answer) as seen:
        said = machine.log_in(tmp_path)
    assert said[0] == status, said
    assert seen[0]["details"]["message"] == "Log in to Owl login?"
    fields = {field["label"]: field["value"] for field in seen[0]["details"]["fields"]}
    assert fields == {"User": ME, "Address": HOST, "Gateway": "owl"}


def test_a_machine_that_is_told_to_ask_again_shows_why_and_is_let_in(secure_server, tmp_path):
    machine = Machine(secure_server, "127.0.0.3", Radius_Mode="challenge")
    with machine.integration.person("approved"):
        status, said = machine.log_in(tmp_path)
    assert status == 0, said
    assert "Approve on your phone, then press Enter here" in said


def test_a_machine_with_another_secret_is_not_let_in_and_prompts_nobody(machine, tmp_path):
    status, said = machine.log_in(tmp_path, secret="w" * 32, patience=3)
    assert status != 0, said
    assert machine.integration.pending() == []


def test_without_the_server_nobody_is_let_in(machine, tmp_path):
    status, said = machine.log_in(tmp_path, port=unused_port(socket.SOCK_DGRAM), patience=3)
    assert status != 0, said
    assert machine.integration.pending() == []
