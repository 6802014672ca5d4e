from datetime import datetime, timedelta, timezone

import pytest
from wire import refused

FIELDS = [{"label": "Place", "value": "Zürich / Oerlikon"}, {"label": "Amount", "value": "50 % & 1 + 1 = 2"}]


def test_a_challenge_carries_its_details(ann, server, service, identity):
    challenge = ann.ask(
        message="Log in from “Zürich”? 🦉",
        details_fields=FIELDS,
        hidden_details={"ip": "192.0.2.7", "note": "a&b=c+d"},
    )

    assert challenge.sid.startswith("YC")
    assert (challenge.account_sid, challenge.service_sid) == (server.account_sid, service.sid)
    assert (challenge.identity, challenge.factor_sid) == (identity, ann.phone.sid)
    assert challenge.entity_sid == ann.entity.fetch().sid
    assert challenge.details == {"message": "Log in from “Zürich”? 🦉", "fields": FIELDS}
    assert challenge.hidden_details == {"ip": "192.0.2.7", "note": "a&b=c+d"}
    assert (challenge.status, challenge.responded_reason, challenge.factor_type) == ("pending", "none", "push")
    assert challenge.date_responded is None
    assert challenge.links == {"notifications": f"{challenge.url}/Notifications"}
    assert ann.entity.challenges(challenge.sid).fetch().details == challenge.details


def test_it_lasts_five_minutes_by_default(ann):
    challenge = ann.ask()

    assert isinstance(challenge.date_created, datetime)
    assert challenge.expiration_date - challenge.date_created == timedelta(minutes=5)


def test_it_lasts_as_long_as_the_application_says(ann):
    until = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(minutes=40)

    assert ann.ask(expiration_date=until).expiration_date == until


@pytest.fixture
def asked_thrice(ann):
    """Three challenges in the order they were made: one approved, one denied, one pending."""
    challenges = [ann.ask(message=f"Question {number}") for number in range(3)]
    assert ann.phone.answer(challenges[0].sid, "approved").status_code == 200
    assert ann.phone.answer(challenges[1].sid, "denied").status_code == 200
    return [challenge.sid for challenge in challenges]


def listed(ann, **filters):
    return [challenge.sid for challenge in ann.entity.challenges.stream(page_size=1, **filters)]


def test_the_list_is_in_order_of_creation_unless_reversed(ann, asked_thrice):
    assert listed(ann) == asked_thrice
    assert listed(ann, order="asc") == asked_thrice
    assert listed(ann, order="desc") == asked_thrice[::-1]


def test_the_list_can_be_filtered_by_status(ann, asked_thrice):
    for status, sid in zip(("approved", "denied", "pending"), asked_thrice):
        assert listed(ann, status=status) == [sid]
    assert listed(ann, status="expired") == []


def test_the_list_can_be_filtered_by_factor(ann, asked_thrice, enrol):
    other, factor = enrol(ann.entity)
    ann.entity.factors(factor.sid).update(auth_payload=other.proof())
    on_the_other = ann.entity.challenges.create(factor_sid=other.sid, details_message="And here?").sid

    assert listed(ann, factor_sid=ann.phone.sid) == asked_thrice
    assert listed(ann, factor_sid=other.sid) == [on_the_other]
    assert listed(ann, factor_sid="YF" + "0" * 32) == []


def test_a_filter_that_does_not_exist_is_refused(server, ann):
    path = f"/v2/Services/{ann.phone.service_sid}/Entities/{ann.phone.identity}/Challenges"

    for wrong in ({"Status": "maybe"}, {"Order": "sideways"}):
        response = server.call("GET", path, params=wrong)
        assert (response.status_code, response.json()["code"]) == (400, 60306)


@pytest.mark.parametrize(
    "wrong",
    [
        {"message": "x" * 257},
        {"details_fields": [{"label": "x" * 37, "value": "y"}]},
        {"details_fields": [{"label": "x", "value": "y" * 129}]},
        {"details_fields": [{"label": "x", "value": "y"}] * 21},
        {"details_fields": ["not an object"]},
        {"hidden_details": "not an object"},
        {"hidden_details": {"long": "x" * 1025}},
        {"expiration_date": "tomorrow"},
        {"expiration_date": datetime(2020, 1, 1)},
        {"expiration_date": datetime(2099, 1, 1)},
    ],
)
def test_parameters_out_of_bounds_are_refused(ann, wrong):
    with refused(400, 60306):
        ann.ask(**wrong)


def test_an_unverified_factor_cannot_be_challenged(entity, enrol):
    phone, _ = enrol(entity)

    with refused(403, 60318):
        entity.challenges.create(factor_sid=phone.sid, details_message="Log in?")


def test_a_factor_that_does_not_exist_cannot_be_challenged(ann):
    with refused(404, 20404):
        ann.entity.challenges.create(factor_sid="YF" + "0" * 32, details_message="Log in?")
