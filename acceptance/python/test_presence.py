"""A code that the phone shows is typed on the page: with an unchanged SDK on both sides."""

import json

import pytest


@pytest.fixture
def request_as_sdk(client, server, service, identity):
    """A request of the SDK itself, with parameters that its resources do not know."""

    def request(method, path, **data):
        uri = f"{server.url}/v2/Services/{service.sid}/Entities/{identity}/Challenges{path}"
        response = client.request(method, uri, data={key.replace("_", "."): value for key, value in data.items()})
        return response.status_code, json.loads(response.text)

    return request


@pytest.fixture
def asked(ann, request_as_sdk):
    status, body = request_as_sdk("POST", "", FactorSid=ann.phone.sid, Details_Message="Log in?", Presence="code")
    assert status == 201
    return body["sid"]


def shown(ann, challenge_sid):
    return ann.phone.see(challenge_sid).json()["details"]["fields"][-1]


def test_the_code_is_shown_to_the_phone_only(ann, asked):
    assert ann.entity.challenges(asked).fetch().details["fields"] == []
    field = shown(ann, asked)
    assert field["label"] == "Code"
    assert len(field["value"]) == 4 and field["value"].isdigit()


def test_the_code_is_confirmed_after_the_approval(ann, asked, request_as_sdk):
    code = shown(ann, asked)["value"]
    assert request_as_sdk("POST", f"/{asked}/Presence", Code=code)[0] == 403
    assert ann.phone.answer(asked, "approved").status_code == 200
    confirmed = {"challenge_sid": asked, "mode": "code", "confirmed": True}
    assert request_as_sdk("POST", f"/{asked}/Presence", Code=code) == (200, confirmed)
    assert request_as_sdk("GET", f"/{asked}/Presence") == (200, confirmed)
    assert ann.entity.challenges(asked).fetch().status == "approved"


def test_three_wrong_codes_are_the_end(ann, asked, request_as_sdk):
    code = shown(ann, asked)["value"]
    assert ann.phone.answer(asked, "approved").status_code == 200
    wrong = "0001" if code == "0000" else "0000"
    for tried in [wrong, wrong, wrong, code]:
        status, body = request_as_sdk("POST", f"/{asked}/Presence", Code=tried)
        assert (status, body["code"]) == (403, 60324)
    assert request_as_sdk("GET", f"/{asked}/Presence")[1]["confirmed"] is False


def test_denying_needs_no_code(ann, asked):
    assert ann.phone.answer(asked, "denied").status_code == 200
    assert ann.entity.challenges(asked).fetch().status == "denied"
