"""The programs of examples/sdk/ work, reach our server only, and are short."""

import os
import re
import shutil
import subprocess
import threading
from types import SimpleNamespace

import pytest
from programs import LANGUAGES, NODE, PYTHON, Relay, Running

PERSON = "ff483d1ff591"
# The SDKs of the other languages are installed by hand, see README.md.
AT_HAND = [language for language in LANGUAGES if language.runner()]
ELSEWHERE = {"TWILIO_REGION": "ie1", "TWILIO_EDGE": "dublin"}
# The same call by the SDK alone, without a client that replaces the host.
UNCHANGED = {
    PYTHON: """
import os
from twilio.rest import Client
Client(os.environ["ACCOUNT_SID"], os.environ["AUTH_TOKEN"]).verify.v2.services(os.environ["SERVICE_SID"]).fetch()
""",
    NODE: """
import twilio from "twilio";
const { ACCOUNT_SID, AUTH_TOKEN, SERVICE_SID } = process.env;
await twilio(ACCOUNT_SID, AUTH_TOKEN).verify.v2.services(SERVICE_SID).fetch();
""",
}


@pytest.fixture
def relay(server):
    relay = Relay(server.url)
    thread = threading.Thread(target=relay.serve_forever)
    thread.start()
    yield relay
    relay.shutdown()
    relay.server_close()
    thread.join()


@pytest.fixture
def own_service(client):
    """A service for one test alone, since the programs themselves name the person."""
    service = client.verify.v2.services.create(friendly_name="Owl Bank")
    yield service
    service.delete()


@pytest.fixture
def settings(server, relay, own_service):
    return {
        "VERIFY_URL": relay.url,
        "ACCOUNT_SID": server.account_sid,
        "AUTH_TOKEN": server.auth_token,
        "SERVICE_SID": own_service.sid,
    }


@pytest.fixture
def phone(server, own_service, tmp_path):
    """The phone that the document names."""

    def call(*arguments):
        program = os.environ["ACCEPTANCE_PROGRAM"]
        done = subprocess.run([program, "phone", *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr

    where = ("--server", server.url, "--service", own_service.sid, "--identity", PERSON)
    return SimpleNamespace(
        enrol=lambda token: call("enrol", *where, "--access-token", token),
        approve=lambda sid: call("approve", sid),
        deny=lambda sid: call("deny", sid),
    )


@pytest.fixture
def play(client, relay, settings, own_service, phone, tmp_path):
    """Runs a program to its end; the person answers with the verdict."""
    challenges = client.verify.v2.services(own_service.sid).entities(PERSON).challenges

    def run(language, verdict, **more):
        file = language.copy(tmp_path)
        with Running([*language.runner(), file], tmp_path, **settings, **more) as program:
            phone.enrol(program.read_token())
            program.press_enter()
            relay.wait_for("POST", "/Challenges")
            (challenge,) = challenges.list()
            verdict(challenge.sid)
            assert program.end() == 0, program.output
        return SimpleNamespace(
            challenge=challenge, said=program.output.split()[-1], strangers=program.strangers(), requests=relay.requests
        )

    return run


@pytest.mark.parametrize("elsewhere", [{}, ELSEWHERE], ids=["plain", "region and edge"])
@pytest.mark.parametrize("language", AT_HAND, ids=str)
def test_a_program_reaches_our_server_and_nothing_else(language, elsewhere, play, phone, relay, own_service):
    done = play(language, phone.approve, **elsewhere)

    assert done.said == "approved"
    assert done.strangers == []
    assert {host for _, _, host in done.requests} == {relay.netloc}
    service, challenge = f"/v2/Services/{own_service.sid}", f"Challenges/{done.challenge.sid}"
    asked = [(method, path) for method, path, _ in done.requests]
    assert asked[:3] == [
        ("POST", f"{service}/AccessTokens"),
        ("GET", f"{service}/Entities/{PERSON}/Factors"),
        ("POST", f"{service}/Entities/{PERSON}/Challenges"),
    ]
    assert set(asked[3:]) == {("GET", f"{service}/Entities/{PERSON}/{challenge}")}


@pytest.mark.parametrize("language", AT_HAND, ids=str)
def test_a_program_asks_what_the_document_shows(language, play, phone):
    done = play(language, phone.deny)

    assert done.said == "denied"
    assert done.challenge.details["message"] == "Log in from Lisbon?"
    assert done.challenge.details["fields"] == [{"label": "Place", "value": "Lisbon"}]


@pytest.mark.parametrize("language", LANGUAGES, ids=str)
def test_the_page_of_a_language_shows_its_program(language):
    assert language.shown() == language.program()


# Imports, empty lines and lone brackets are not counted.
UNCOUNTED = re.compile(r"^\s*((import|using|use|require|from|package)\b.*|<\?php|(\w+ )?\"[^\" ]*\"|end|[][(){},;]*)$")


@pytest.mark.parametrize("language", LANGUAGES, ids=str)
def test_a_program_is_shorter_than_25_lines(language):
    counted = [line for line in language.program().splitlines() if not UNCOUNTED.match(line)]
    assert 15 < len(counted) < 25, "\n".join(counted)


@pytest.mark.parametrize("language", UNCHANGED, ids=str)
def test_the_guard_notices_an_sdk_whose_host_is_not_replaced(language, relay, settings, tmp_path):
    file = tmp_path / language.file
    file.write_text(UNCHANGED[language])

    with Running([*language.runner(), file], tmp_path, **settings, **ELSEWHERE) as program:
        assert program.end() != 0

    assert set(program.strangers()) == {"verify.dublin.ie1.twilio.com"}
    assert relay.requests == []


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language.check], ids=str)
def test_a_program_is_well_formed(language, tmp_path):
    file = language.copy(tmp_path)
    if not shutil.which(language.check[0]):
        pytest.skip(f"{language.check[0]} is not installed")

    checked = subprocess.run([*language.check, file], cwd=tmp_path, capture_output=True, text=True, timeout=120)

    assert checked.returncode == 0, checked.stdout + checked.stderr
