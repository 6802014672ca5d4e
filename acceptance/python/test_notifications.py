"""`POST …/Challenges/{ChallengeSid}/Notifications`: the call this server was built around."""

import re
from datetime import datetime, timedelta, timezone

import pytest
from wire import refused

PROPERTIES = {
    "sid",
    "account_sid",
    "service_sid",
    "entity_sid",
    "identity",
    "challenge_sid",
    "priority",
    "ttl",
    "date_created",
}


def notify(ann, challenge, **more):
    return ann.entity.challenges(challenge.sid).notifications.create(**more)


@pytest.mark.parametrize("given, used", [({"ttl": 150}, 150), ({"ttl": 0}, 0), ({"ttl": 300}, 300), ({}, 300)])
def test_a_notification_has_the_ttl_asked_for_or_300(ann, server, service, given, used):
    challenge = ann.ask()

    notification = notify(ann, challenge, **given)

    assert re.fullmatch("NT[0-9a-fA-F]{32}", notification.sid)
    assert (notification.account_sid, notification.service_sid) == (server.account_sid, service.sid)
    assert (notification.identity, notification.challenge_sid) == (challenge.identity, challenge.sid)
    assert notification.entity_sid == challenge.entity_sid
    assert notification.priority == "high"
    assert notification.ttl == used
    assert isinstance(notification.date_created, datetime)
    assert abs(datetime.now(timezone.utc) - notification.date_created) < timedelta(minutes=1)


def test_the_answer_is_201_with_exactly_nine_properties(ann, client):
    challenge = ann.ask()
    notify(ann, challenge, ttl=150)

    body = client.http_client.body()

    assert client.http_client.response.status_code == 201
    assert body.keys() == PROPERTIES
    assert body["ttl"] == 150 and isinstance(body["ttl"], int)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", body["date_created"])


def test_it_leaves_the_challenge_as_it_was(ann, client):
    challenge = ann.ask()
    before = ann.phone.see(challenge.sid).json()

    notify(ann, challenge)

    assert ann.phone.see(challenge.sid).json() == before


@pytest.mark.parametrize("ttl", [-1, 301, "x", "", "1.5"])
def test_a_ttl_out_of_bounds_is_refused(ann, ttl):
    with refused(400, 60300, "Ttl"):
        notify(ann, ann.ask(), ttl=ttl)


def test_the_fourth_notification_of_a_challenge_is_too_many(ann, client):
    challenge = ann.ask()
    sids = {notify(ann, challenge).sid for _ in range(3)}
    assert len(sids) == 3

    with refused(429, 60309):
        notify(ann, challenge)
    # A repeat cannot succeed, and an SDK that reads this header would sleep and repeat.
    assert "Retry-After" not in client.http_client.response.headers


def test_a_refused_notification_is_not_counted(ann):
    challenge = ann.ask()
    for _ in range(3):
        with refused(400, 60300):
            notify(ann, challenge, ttl=301)

    assert notify(ann, challenge).sid


def test_an_answered_challenge_is_not_notified_again(ann):
    challenge = ann.ask()
    ann.phone.answer(challenge.sid, "approved")

    with refused(403, 60322):
        notify(ann, challenge)


def test_a_phone_without_push_cannot_be_notified(entity, verified):
    phone = verified(platform="none")
    challenge = entity.challenges.create(factor_sid=phone.sid, details_message="Log in?")

    with refused(400, 60307):
        entity.challenges(challenge.sid).notifications.create()


def test_a_challenge_that_does_not_exist_cannot_be_notified(ann):
    with refused(404, 20404):
        ann.entity.challenges("YC" + "0" * 32).notifications.create()


def test_a_malformed_sid_is_told_apart_from_an_unknown_one(ann):
    with refused(400, 60306):
        ann.entity.challenges("YCnot-a-sid").notifications.create()


def test_a_phone_cannot_notify_itself(ann):
    response = ann.phone.call("POST", f"/Challenges/{ann.ask().sid}/Notifications")

    assert (response.status_code, response.json()["code"]) == (403, 20403)
