"""The person answers on their phone; the application sees it through the SDK."""

from datetime import datetime, timedelta, timezone
from time import monotonic, sleep

import pytest
from phone import Phone
from wire import assert_refused, refused


@pytest.mark.parametrize("answer", ["approved", "denied"])
def test_the_application_sees_the_answer(ann, answer):
    challenge = ann.ask(
        details_fields=[{"label": "Path", "value": "/login"}], hidden_details={"session": "a/b", "name": "Zoë"}
    )

    assert ann.phone.answer(challenge.sid, answer).status_code == 200

    seen = ann.entity.challenges(challenge.sid).fetch()
    assert seen.status == answer
    assert isinstance(seen.date_responded, datetime)
    assert challenge.date_created <= seen.date_responded <= seen.expiration_date


def test_the_phone_is_told_what_to_sign_while_it_can_answer(ann):
    challenge = ann.ask()
    pending = ann.phone.see(challenge.sid)

    fields = pending.headers["Twilio-Verify-Signature-Fields"]
    assert " " not in fields
    assert {"sid", "factor_sid", "details", "hidden_details", "expiration_date"} <= set(fields.split(","))
    assert set(fields.split(",")) <= pending.json().keys()

    ann.phone.answer(challenge.sid, "approved")
    assert "Twilio-Verify-Signature-Fields" not in ann.phone.see(challenge.sid).headers


def test_the_phone_finds_its_pending_challenges_by_itself(ann):
    challenge = ann.ask()
    path = f"/Challenges?PageSize=20&FactorSid={ann.phone.sid}&Order=asc&Status=pending"

    found = ann.phone.call("GET", path).json()

    assert [item["sid"] for item in found["challenges"]] == [challenge.sid]
    assert found["meta"]["key"] == "challenges"


def test_the_first_answer_stands(ann):
    challenge = ann.ask()
    approval = ann.phone.signed_answer(ann.phone.see(challenge.sid), "approved")
    assert ann.phone.answer(challenge.sid, "denied").status_code == 200

    assert_refused(ann.phone.send_answer(challenge.sid, approval), 403, 60322)
    assert ann.entity.challenges(challenge.sid).fetch().status == "denied"


def test_the_signature_of_another_key_answers_nothing(ann, server):
    challenge = ann.ask()
    thief = Phone(server.url)
    forged = thief.signed_answer(ann.phone.see(challenge.sid), "approved")

    assert_refused(ann.phone.send_answer(challenge.sid, forged), 403, 60324)
    assert ann.entity.challenges(challenge.sid).fetch().status == "pending"


def test_an_answer_to_one_challenge_does_not_answer_another(ann):
    harmless, costly = ann.ask("See the news?"), ann.ask("Send 5,000?")
    approval = ann.phone.signed_answer(ann.phone.see(harmless.sid), "approved")

    assert_refused(ann.phone.send_answer(costly.sid, approval), 403, 60324)
    assert ann.entity.challenges(costly.sid).fetch().status == "pending"


def test_something_else_than_a_signed_answer_is_refused(ann):
    challenge = ann.ask()

    assert_refused(ann.phone.send_answer(challenge.sid, "yes please"), 400, 60306)


def test_the_longest_challenge_can_still_be_approved(ann):
    challenge = ann.ask(
        message="ü/" * 128,
        details_fields=[{"label": "ü/" * 18, "value": "ü/" * 64}] * 20,
        hidden_details={"note": "x" * 1000},
    )

    assert ann.phone.answer(challenge.sid, "approved").status_code == 200


def test_an_old_device_token_is_no_credential_and_the_answer_tells_the_time(ann, server):
    challenge = ann.ask()
    response = server.call(
        "GET",
        f"/v2/Services/{ann.phone.service_sid}/Entities/{ann.phone.identity}/Challenges/{challenge.sid}",
        auth=("token", ann.phone.device_token(age=3600)),
    )

    assert response.status_code == 401
    assert response.headers["Date"].endswith(" GMT")


def test_a_phone_cannot_create_a_challenge(ann):
    response = ann.phone.call("POST", "/Challenges", data={"FactorSid": ann.phone.sid, "Details.Message": "Hello"})

    assert_refused(response, 403, 20403)


def test_after_its_expiry_a_challenge_takes_no_answer_and_no_notification(ann):
    # On a slow machine the first one expires before the phone has read it.
    for seconds in (3, 9, 27, 81):
        challenge = ann.ask(expiration_date=datetime.now(timezone.utc) + timedelta(seconds=seconds))
        seen = ann.phone.see(challenge.sid)
        if seen.json()["status"] == "pending":
            break
    approval = ann.phone.signed_answer(seen, "approved")

    deadline = monotonic() + seconds + 60
    while ann.entity.challenges(challenge.sid).fetch().status != "expired":
        assert monotonic() < deadline, "the challenge never expired"
        sleep(0.1)

    assert datetime.now(timezone.utc) >= challenge.expiration_date
    assert_refused(ann.phone.send_answer(challenge.sid, approval), 403, 60323)
    with refused(403, 60323):
        ann.entity.challenges(challenge.sid).notifications.create()
    assert ann.entity.challenges(challenge.sid).fetch().date_responded is None
