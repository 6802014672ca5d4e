"""The commands and snippets of the documents work as written."""

import base64
import json
import re
import subprocess
import threading
import time
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from cryptography.x509.oid import NameOID
from phone import Phone
from reader import TAKEN, Reader, blocks, commands, page, section

PEM = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture
def reader(server, client, tmp_path):
    reader = Reader(server, tmp_path)
    yield reader
    for sid in set(re.findall(TAKEN["VA…"], reader.seen)):
        client.verify.v2.services(sid).delete()
    for sid in set(re.findall(r"CR[0-9a-f]{32}", reader.seen)):
        client.notify.v1.credentials(sid).delete()


def test_the_commands_of_the_quick_start_work(reader):
    to_type = commands(page("docs/start/quick-start.md"))
    to_type = to_type[to_type.index("SID=AC… TOKEN=…") + 1 :]
    listen = to_type.index("countersign phone listen")
    for command in to_type[:listen]:
        reader.run(command)

    phone = reader.start(to_type[listen])
    watchdog = threading.Timer(60, phone.kill)
    watchdog.start()
    try:
        assert any("connected" in line for line in phone.stdout)
        for command in to_type[listen + 1 :]:
            reader.run(command)
        assert any("Log in from Lisbon?" in line for line in phone.stdout)
    finally:
        watchdog.cancel()
        phone.kill()
        phone.communicate()


def test_the_commands_of_the_move_work_and_a_kept_totp_secret_goes_on(reader, client):
    said = [reader.run(command) for command in commands(page("docs/start/from-twilio.md"))]

    factor = json.loads(said[-1])
    kept = TOTP(base64.b32decode("GEZDGNBVGY3TQOJQ" * 2), 6, SHA1(), 30)
    person = client.verify.v2.services(factor["service_sid"]).entities(factor["identity"])
    assert person.factors(factor["sid"]).update(auth_payload=kept.generate(time.time()).decode()).status == "verified"


def test_there_are_twenty_questions_in_order():
    asked = re.findall(r"^### (\d+)\. .*\?$", page("docs/start/questions.md"), re.M)
    assert asked == [str(number) for number in range(1, 21)]


def write_what_apple_gives(folder):
    """A key for provider tokens; and a certificate of an app, in the formats of the portal and the keychain."""
    (folder / "AuthKey_ABCDE12345.p8").write_bytes(ec.generate_private_key(ec.SECP256R1()).private_bytes(*PEM))
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.USER_ID, "com.example.owlbank"),
            x509.NameAttribute(NameOID.COMMON_NAME, "Apple Push Services: com.example.owlbank"),
        ]
    )
    now = datetime.now(timezone.utc)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=300))
    certificate = made.sign(key, hashes.SHA256())
    (folder / "aps.cer").write_bytes(certificate.public_bytes(Encoding.DER))
    kept = pkcs12.serialize_key_and_certificates(b"aps", key, certificate, None, NoEncryption())
    (folder / "aps.p12").write_bytes(kept)


def write_what_google_gives(folder):
    account = {
        "type": "service_account",
        "project_id": "owlbank",
        "private_key_id": "1",
        "private_key": rsa.generate_private_key(65537, 2048).private_bytes(*PEM).decode(),
        "client_email": "push@owlbank.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    (folder / "service-account.json").write_text(json.dumps(account))


@pytest.mark.parametrize(
    ("heading", "write", "types"),
    [("Apple", write_what_apple_gives, ["apn", "apn"]), ("Google", write_what_google_gives, ["fcm"])],
    ids=["Apple", "Google"],
)
def test_the_commands_for_push_credentials_work(heading, write, types, reader, tmp_path):
    write(tmp_path)

    said = [reader.run(command) for command in commands(section("docs/run/push-services.md", heading))]

    assert [json.loads(line)["type"] for line in said if line.startswith("{")] == types


def test_the_snippet_of_the_authenticator_makes_a_link_that_enrols(server, service, identity, tmp_path):
    (snippet,) = blocks(section("docs/start/authenticator.md", "Sending somebody an enrolment link"), "js")
    given = {
        "accountSid": server.account_sid,
        "authToken": server.auth_token,
        "service": service.sid,
        "identity": identity,
    }
    program = f"const {{ {', '.join(given)} }} = {json.dumps(given)};\n{snippet}\nconsole.log(link);\n"
    file = tmp_path / "link.mjs"
    file.write_text(program.replace("https://verify.example.com", server.url))

    made = subprocess.run(["node", file], capture_output=True, text=True, timeout=60)

    assert made.returncode == 0, made.stderr
    link = urlsplit(made.stdout.strip())
    told = {name: value for name, (value,) in parse_qs(link.fragment).items()}
    assert (f"{link.scheme}://{link.netloc}", link.path) == (server.url, "/authenticator")
    key = server.call("GET", f"/v2/Services/{service.sid}/WebPushKey").json()["public_key"]
    assert (told["service"], told["identity"], told["push"]) == (service.sid, identity, key)
    assert Phone(server.url).enrol(told["service"], told["identity"], told["token"]).status_code == 201
