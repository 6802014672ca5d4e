"""A server of its own with a certificate, for clients that speak https only, and an integration on it."""

import datetime
import ipaddress
import os
import pwd
import random
import signal
import socket
import subprocess
import threading
import time
import uuid
from contextlib import contextmanager

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from phone import Phone
from wire import Server

READY_WITHIN = 120
# The user who runs the tests: PAM knows only users of this machine.
ME = pwd.getpwuid(os.geteuid()).pw_name


class Certificates:
    """A certificate authority of the test's own, and a certificate of it for localhost."""

    def __init__(self, folder):
        self.authority, self.chain, self.key = (folder / name for name in ("ca.pem", "chain.pem", "key.pem"))
        authority_key, authority = certificate("Owl Bank test authority", None, None)
        key, own = certificate("localhost", authority, authority_key)
        self.authority.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
        self.chain.write_bytes(own.public_bytes(serialization.Encoding.PEM))
        form = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))


def certificate(name, issuer, issuer_key):
    """A key and its certificate; without an issuer, that of an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    signing_key = issuer_key or key
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False
        )
    )
    if issuer:
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return key, made.sign(signing_key, hashes.SHA256())


class SecureServer:
    """The server, over https, with one service."""

    def __init__(self, folder):
        self.folder = folder
        self.certificates = Certificates(folder)
        self.port = unused_port()
        self.radius_port = unused_port(socket.SOCK_DGRAM)
        self.account = Server(
            f"https://localhost:{self.port}", "AC" + uuid.uuid4().hex, uuid.uuid4().hex + uuid.uuid4().hex
        )
        self.process = None

    def start(self):
        own = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")}
        settings = {
            "COUNTERSIGN_ACCOUNT_SID": self.account.account_sid,
            "COUNTERSIGN_AUTH_TOKEN": self.account.auth_token,
            "COUNTERSIGN_HTTP__TLS_CERTIFICATE": str(self.certificates.chain),
            "COUNTERSIGN_HTTP__TLS_KEY": str(self.certificates.key),
            "COUNTERSIGN_LIMITS__PUSH_CHALLENGES_IN_A_ROW": "0",
            "COUNTERSIGN_RADIUS__ADDRESS": f"127.0.0.1:{self.radius_port}",
        }
        command = [
            os.environ["ACCEPTANCE_PROGRAM"],
            "serve",
            "--listen",
            f"127.0.0.1:{self.port}",
            "--data-dir",
            str(self.folder / "data"),
            "--public-url",
            self.account.url,
        ]
        log = (self.folder / "server.log").open("ab")
        self.process = subprocess.Popen(command, env=own | settings, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        deadline = time.monotonic() + READY_WITHIN
        while not self.is_ready():
            words = (self.folder / "server.log").read_text(errors="replace")
            assert self.process.poll() is None, f"the server ended:\n{words}"
            assert time.monotonic() < deadline, f"the server was not ready:\n{words}"
            time.sleep(0.05)

    def is_ready(self):
        try:
            return requests.get(f"{self.account.url}/readyz", timeout=5).status_code == 200
        except (requests.ConnectionError, requests.Timeout):
            return False

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0

    def kill(self):
        """Ends the server at once, as a machine that loses power does. `start` has it serve what it had stored."""
        self.process.kill()
        self.process.wait(30)

    def create(self, path, **form):
        response = self.account.call("POST", path, data={name.replace("_", "."): value for name, value in form.items()})
        assert response.status_code == 201, response.text
        return response.json()


class Integration:
    """A service with an integration that knows `ann`, who is also this machine's user, and her phone."""

    def __init__(self, server, **more):
        self.server = server
        service = server.create("/v2/Services", FriendlyName="Owl Bank")["sid"]
        self.identity = str(uuid.uuid4())
        aliases = [f"{name}={self.identity}" for name in sorted({"ann", ME})]
        form = {"FriendlyName": "Owl ssh", "Kind": "duo", "Aliases": aliases} | more
        made = server.create(f"/v2/Services/{service}/Integrations", **form)
        self.key, self.secret = made["key"], made["secret"]
        token = server.create(f"/v2/Services/{service}/AccessTokens", Identity=self.identity, FactorType="push")
        self.phone = Phone(server.account.url)
        self.phone.enrol(service, self.identity, token["token"]).raise_for_status()
        self.phone.verify().raise_for_status()

    def pending(self):
        listed = self.phone.call("GET", "/Challenges?Status=pending")
        listed.raise_for_status()
        return listed.json()["challenges"]

    def wait_for_prompt(self, within=60):
        deadline = time.monotonic() + within
        while not (pending := self.pending()):
            assert time.monotonic() < deadline, "no prompt came"
            time.sleep(0.05)
        assert len(pending) == 1
        return pending[0]

    @contextmanager
    def person(self, answer):
        """Ann, who answers the next prompt, and what she saw of it."""
        seen = []

        def look():
            seen.append(self.wait_for_prompt())
            if answer:
                assert self.phone.answer(seen[0]["sid"], answer).status_code == 200

        failure = []

        def run():
            try:
                look()
            except Exception as error:
                failure.append(error)

        watching = threading.Thread(target=run)
        watching.start()
        yield seen
        watching.join()
        assert not failure, failure


def unused_port(kind=socket.SOCK_STREAM):
    """A port below those that systems hand out by themselves: nobody gets it before a program listens there."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket(type=kind) as listener:
            try:
                listener.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
