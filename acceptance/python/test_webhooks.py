from datetime import datetime

import pytest
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
