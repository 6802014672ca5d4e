import hashlib
import hmac
import queue
import threading
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

import pytest
from twilio.request_validator import RequestValidator
from wire import refused


@pytest.fixture
def webhooks(client, service):
    return client.verify.v2.services(service.sid).webhooks


@pytest.fixture
def webhook(webhooks):
    webhook = webhooks.create(
        friendly_name="Answers",
        event_types=["challenge.approved", "challenge.denied"],
        webhook_url="https://owlbank.example.com/hook?tenant=7",
    )
    yield webhook
    webhooks(webhook.sid).delete()


def test_a_new_webhook_is_enabled_and_of_the_second_version(webhook, server, service):
    assert webhook.sid.startswith("YW")
    assert (webhook.account_sid, webhook.service_sid) == (server.account_sid, service.sid)
    assert webhook.friendly_name == "Answers"
    assert sorted(webhook.event_types) == ["challenge.approved", "challenge.denied"]
    assert webhook.webhook_url == "https://owlbank.example.com/hook?tenant=7"
    assert (webhook.status, webhook.version, webhook.webhook_method) == ("enabled", "v2", "POST")
    assert isinstance(webhook.date_created, datetime) and isinstance(webhook.date_updated, datetime)
    assert webhook.url == f"{server.url}/v2/Services/{service.sid}/Webhooks/{webhook.sid}"


def test_a_webhook_can_be_fetched_and_listed(webhooks, webhook):
    assert webhooks(webhook.sid).fetch().friendly_name == "Answers"
    assert [item.sid for item in webhooks.stream(page_size=1)] == [webhook.sid]


def test_an_update_changes_what_it_names_and_nothing_else(webhooks, webhook):
    updated = webhooks(webhook.sid).update(status="disabled", event_types=["*"])

    assert (updated.status, updated.event_types) == ("disabled", ["*"])
    assert updated.webhook_url == webhook.webhook_url


def test_a_deleted_webhook_is_gone(webhooks):
    webhook = webhooks.create(friendly_name="Gone", event_types=["*"], webhook_url="https://owlbank.example.com/hook")

    assert webhooks(webhook.sid).delete() is True

    with refused(404, 20404):
        webhooks(webhook.sid).fetch()


@pytest.mark.parametrize(
    "wrong",
    [
        {"event_types": ["challenge.ignored"]},
        {"webhook_url": "ftp://owlbank.example.com/"},
        {"webhook_url": "https://ann:secret@owlbank.example.com/"},
        {"webhook_url": "/hook"},
        {"status": "sleeping"},
    ],
)
def test_parameters_out_of_bounds_are_refused(webhooks, wrong):
    right = {"friendly_name": "Hook", "event_types": ["*"], "webhook_url": "https://owlbank.example.com/hook"}
    with refused(400, 60306):
        webhooks.create(**(right | wrong))


class Ear:
    """An application's listener: every call as `(url, headers, body)`."""

    def __init__(self):
        self.calls = calls = queue.Queue()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                calls.put((f"http://{self.headers['Host']}{self.path}", self.headers, body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.listener.server_port}"
        threading.Thread(target=self.listener.serve_forever, daemon=True).start()

    def next(self):
        return self.calls.get(timeout=30)

    def close(self):
        self.listener.shutdown()
        self.listener.server_close()


@pytest.fixture
def ear():
    ear = Ear()
    yield ear
    ear.close()


@pytest.fixture
def heard(webhooks, ear):
    """A webhook for all events, at a listener."""
    webhook = webhooks.create(friendly_name="All", event_types=["*"], webhook_url=f"{ear.url}/hook?tenant=7&a=b%20c")
    yield webhook
    webhooks(webhook.sid).delete()


def test_the_sdk_knows_every_call_for_ours_and_refuses_what_was_tampered_with(heard, ear, server, ann):
    challenge = ann.ask("Zahlen Sie 40 € an Søren & Co?")
    ann.phone.answer(challenge.sid, "approved").raise_for_status()
    official = RequestValidator(server.auth_token)

    # Calls have no order.
    told = {}
    for _ in range(3):
        url, headers, body = ear.next()
        form = dict(parse_qsl(body, strict_parsing=True))
        signature = headers["X-Twilio-Signature"]
        told[form["type"]] = form
        assert headers["Content-Type"] == "application/x-www-form-urlencoded"
        assert headers["I-Twilio-Idempotency-Token"] == form["uuid"]
        assert (form["factor_sid"], form["entity_identity"]) == (ann.phone.sid, ann.phone.identity)

        assert official.validate(url, form, signature)
        assert not official.validate(url, form | {"type": "challenge.denied"}, signature)
        assert not official.validate(url, form | {"more": "1"}, signature)
        assert not official.validate(url, {k: v for k, v in form.items() if k != "uuid"}, signature)
        assert not official.validate(url.replace("tenant=7", "tenant=8"), form, signature)
        assert not official.validate(url, form, signature.swapcase())
        assert not RequestValidator("0" * 32).validate(url, form, signature)

    assert told.keys() == {"factor.created", "factor.verified", "challenge.approved"}
    assert told["challenge.approved"]["challenge_sid"] == challenge.sid


def test_our_own_signature_covers_the_time_and_the_body(heard, ear, server, service, ann):
    secret = server.call("GET", f"/v2/Services/{service.sid}/Webhooks/{heard.sid}/Secret").json()["secret"]

    _, headers, body = ear.next()

    fields = dict(part.split("=", 1) for part in headers["Countersign-Signature"].split(","))
    wanted = hmac.new(secret.encode(), f"{fields['t']}.{body}".encode(), hashlib.sha256).hexdigest()
    assert hmac.compare_digest(fields["v1"], wanted)
    assert abs(datetime.now().timestamp() - int(fields["t"])) < 300
