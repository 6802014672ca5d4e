"""Debian's RADIUS client `radclient`. `./test` unpacks it without installing it."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from secure import Integration

PROGRAMS = Path(os.environ.get("ACCEPTANCE_RADIUS", "."))

pytestmark = pytest.mark.skipif("ACCEPTANCE_RADIUS" not in os.environ, reason="only Debian has the program")


def integration_of(server, **more):
    return Integration(server, FriendlyName="Owl VPN", Kind="radius", Networks="127.0.0.1", **more)


@pytest.fixture(scope="module")
def integration(secure_server):
    """A gateway that waits for the person."""
    return integration_of(secure_server)


@pytest.fixture(scope="module")
def patient(secure_server):
    """A gateway that is told to ask again."""
    return integration_of(secure_server, Radius_Mode="challenge")


def ask(integration, *attributes, kind="auth", secret=None, patience=30):
    """Asks once; what radclient received, in its words."""
    libraries = sorted({str(file.parent) for file in PROGRAMS.rglob("*.so*")})
    own = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": ":".join(libraries)}
    dictionaries = PROGRAMS / "usr/share/freeradius"
    command = [PROGRAMS / "usr/bin/radclient", "-x", "-D", dictionaries, "-r", "1", "-t", str(patience)]
    where = [f"127.0.0.1:{integration.server.radius_port}", kind, secret or integration.secret]
    typed = ", ".join(attributes) + "\n"
    done = subprocess.run(command + where, env=own, input=typed, capture_output=True, text=True, timeout=60)
    output = done.stdout + done.stderr
    return output[output.find("Received") :] if "Received" in output else ""


def login(*more, password="s3cret"):
    return 'User-Name = "ann"', f'User-Password = "{password}"', "Message-Authenticator = 0x00", *more


@pytest.mark.parametrize(("answer", "word"), [("approved", "Access-Accept"), ("denied", "Access-Reject")])
def test_a_login_waits_for_the_person(integration, answer, word):
    place = ('Calling-Station-Id = "192.0.2.7"', 'NAS-Identifier = "vpn1"')
    with integration.person(answer) as seen:
        received = ask(integration, *login(*place))
    assert f"Received {word}" in received
    assert seen[0]["details"]["message"] == "Log in to Owl VPN?"
    fields = {field["label"]: field["value"] for field in seen[0]["details"]["fields"]}
    assert fields == {"User": "ann", "Address": "192.0.2.7", "Gateway": "vpn1"}


def test_a_gateway_that_is_told_to_ask_again_is_let_in_by_its_state(patient):
    with patient.person("approved"):
        received = ask(patient, *login())
    assert "Received Access-Challenge" in received
    assert "Approve on your phone" in received
    state = re.search(r"State = (0x[0-9a-f]+)", received).group(1)
    assert "Received Access-Accept" in ask(patient, *login(f"State = {state}", password=""))


def test_the_server_says_that_it_is_alive(integration):
    assert "Received Access-Accept" in ask(integration, "Message-Authenticator = 0x00", kind="status")


def test_an_unknown_client_gets_no_answer_and_prompts_nobody(integration):
    assert ask(integration, *login(), secret="wrong", patience=1) == ""
    assert ask(integration, *login()[:2], patience=1) == ""
    assert integration.pending() == []


def test_a_user_whom_the_service_does_not_know_is_rejected(integration):
    received = ask(integration, 'User-Name = "eve"', 'User-Password = "x"', "Message-Authenticator = 0x00")
    assert "Received Access-Reject" in received
    assert 'Reply-Message = "Access denied"' in received
