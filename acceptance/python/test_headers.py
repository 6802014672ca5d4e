"""The headers of responses and refusals."""

import re
from email.utils import parsedate_to_datetime

import pytest


@pytest.fixture(params=["answer", "refusal", "unauthenticated", "no such path"])
def response(request, server):
    return {
        "answer": lambda: server.call("GET", "/v2/Services"),
        "refusal": lambda: server.call("POST", "/v2/Services", data={"FriendlyName": "x" * 33}),
        "unauthenticated": lambda: server.call("GET", "/v2/Services", auth=None),
        "no such path": lambda: server.call("GET", "/v2/Nothing"),
    }[request.param]()


def test_every_answer_is_json_and_not_to_be_kept(response):
    assert response.headers["Content-Type"].startswith("application/json")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.json()


def test_every_answer_names_its_request_and_tells_the_time(response):
    assert re.fullmatch("RQ[0-9a-f]{32}", response.headers["Twilio-Request-Id"])
    assert re.fullmatch(r"\d+\.\d{3}", response.headers["Twilio-Request-Duration"])
    assert int(response.headers["Twilio-Concurrent-Requests"]) >= 0
    assert parsedate_to_datetime(response.headers["Date"])


def test_no_two_requests_have_the_same_name(server):
    names = {server.call("GET", "/v2/Services").headers["Twilio-Request-Id"] for _ in range(5)}

    assert len(names) == 5


def test_a_browser_may_read_every_answer(response):
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "Twilio-Request-Id" in response.headers["Access-Control-Expose-Headers"]
