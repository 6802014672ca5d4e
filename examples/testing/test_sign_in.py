"""A test suite of an application that asks by Countersign: every path in milliseconds, on a server of its own.

    pip install pytest requests
    pytest test_sign_in.py

`countersign` must be in the path, or named by COUNTERSIGN.
"""

import os
import queue
import secrets
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

import pytest
import requests

COUNTERSIGN = os.environ.get("COUNTERSIGN", "countersign")
PERSON = "ff483d1ff591"


class Server:
    """A server in test mode, and its account."""

    def __init__(self, folder, port):
        self.url = f"http://127.0.0.1:{port}"
        self.folder = folder
        self.api = requests.Session()
        self.api.trust_env = False
        self.api.auth = ("AC" + secrets.token_hex(16), secrets.token_hex(16))
        account, token = self.api.auth
        command = [COUNTERSIGN, "serve", "--test-mode", "--listen", f"127.0.0.1:{port}", "--allow-outgoing", "127.0.0.0/8"]
        environment = {"COUNTERSIGN_ACCOUNT_SID": account, "COUNTERSIGN_AUTH_TOKEN": token}
        log = open(folder / "log", "w")
        self.process = subprocess.Popen(
            [*command, "--data-dir", folder / "data"], env=os.environ | environment, stdout=log, stderr=log
        )

    def wait(self):
        for _ in range(600):
            try:
                if self.api.get(f"{self.url}/readyz").ok:
                    return
            except requests.ConnectionError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.05)
        raise TimeoutError("the server is not ready")

    def post(self, path, **form):
        response = self.api.post(f"{self.url}{path}", data=form)
        response.raise_for_status()
        return response.json()

    def clock(self, **change):
        self.api.put(f"{self.url}/_test/clock", json=change).raise_for_status()

    def advance(self, seconds):
        """Lets time pass; what falls due has been done afterwards."""
        self.clock(advance_seconds=seconds)

    def manners(self, **shares):
        """Has the server misbehave, or behave again."""
        self.api.put(f"{self.url}/_test/manners", json=shares).raise_for_status()


class Webhook:
    """What the application hears, and how it responds."""

    def __init__(self):
        self.events, self.responses = [], queue.Queue()
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                webhook.events.append(dict(parse_qsl(body.decode())))
                self.send_response(204 if webhook.responses.empty() else webhook.responses.get())
                self.end_headers()

            def log_message(self, *_):
                pass

        self.listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.listener.server_port}/"
        threading.Thread(target=self.listener.serve_forever, daemon=True).start()

    def types(self):
        return [event["type"] for event in self.events]


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(tmp_path_factory.mktemp("countersign"), port)
    try:
        server.wait()
        # Time passes when a test says so.
        server.clock(frozen=True)
        yield server
    finally:
        server.process.terminate()
        server.process.wait()


@pytest.fixture
def service(server):
    server.manners()
    return "/v2/Services/" + server.post("/v2/Services", FriendlyName="Owl Bank")["sid"]


@pytest.fixture
def webhook(server, service):
    webhook = Webhook()
    kinds = ["challenge.approved", "challenge.denied", "challenge.expired"]
    server.post(f"{service}/Webhooks", FriendlyName="tests", WebhookUrl=webhook.url, EventTypes=kinds)
    yield webhook
    webhook.listener.shutdown()


@pytest.fixture
def phone(server, service, tmp_path):
    """A device that polls, and a way to answer with it."""
    token = server.post(f"{service}/AccessTokens", Identity=PERSON, FactorType="push")["token"]
    base = [COUNTERSIGN, "phone"]
    enrol = ["enrol", "--server", server.url, "--service", service.rsplit("/", 1)[1], "--identity", PERSON]

    def run(*arguments):
        subprocess.run([*base, *arguments, "--file", tmp_path / "phone.json"], check=True, capture_output=True)

    run(*enrol, "--platform", "none", "--access-token", token)
    return run


@pytest.fixture
def ask(server, service, phone):
    """Asks the person; a function that reads the challenge."""
    factors = server.api.get(f"{server.url}{service}/Entities/{PERSON}/Factors").json()["factors"]

    def ask():
        path = f"{service}/Entities/{PERSON}/Challenges"
        form = {"FactorSid": factors[0]["sid"], "Details.Message": "Log in to Owl Bank?"}
        sid = server.post(path, **form)["sid"]
        read = lambda: server.api.get(f"{server.url}{path}/{sid}").json()["status"]
        return sid, read

    return ask


def test_a_person_approves(phone, ask, webhook, server):
    sid, status = ask()
    phone("approve", sid)
    server.advance(1)
    assert status() == "approved"
    assert webhook.types() == ["challenge.approved"]


def test_nobody_answers_within_five_minutes(ask, webhook, server):
    _, status = ask()
    server.advance(299)
    assert (status(), webhook.types()) == ("pending", [])
    server.advance(1)
    assert (status(), webhook.types()) == ("expired", ["challenge.expired"])


def test_a_webhook_that_fails_is_called_again(phone, ask, webhook, server):
    for response in [500, 503, 500]:
        webhook.responses.put(response)
    sid, _ = ask()
    phone("deny", sid)
    server.advance(600)
    assert webhook.types() == ["challenge.denied"] * 4
    assert len({event["uuid"] for event in webhook.events}) == 1


def test_an_event_can_arrive_twice(ask, webhook, server):
    server.manners(webhooks_doubled=1)
    ask()
    server.advance(300)
    assert webhook.types() == ["challenge.expired"] * 2
    assert len({event["uuid"] for event in webhook.events}) == 1


def test_the_server_is_overloaded(server, service):
    server.manners(seed=7, too_many_requests=0.5, unavailable=0.5)
    responses = [server.api.get(f"{server.url}{service}") for _ in range(20)]
    assert {response.status_code for response in responses} == {200, 429, 503}
    assert all(response.headers["Retry-After"] for response in responses if response.status_code != 200)
