"""Connects the official SDK to our server, and keeps the responses below the SDK."""

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client


@dataclass(frozen=True)
class Server:
    """The server under test and one account on it."""

    url: str
    account_sid: str
    auth_token: str

    @classmethod
    def from_environment(cls, account=""):
        return cls(
            url=os.environ["ACCEPTANCE_URL"],
            account_sid=os.environ[f"ACCEPTANCE_{account}ACCOUNT_SID"],
            auth_token=os.environ[f"ACCEPTANCE_{account}AUTH_TOKEN"],
        )

    def client(self, auth_token=None):
        """The official SDK, with another host."""
        return Client(self.account_sid, auth_token or self.auth_token, http_client=Redirected(self.url))

    def call(self, method, path, **options):
        """A request without the SDK, with the account's credentials unless the caller gives others."""
        options.setdefault("auth", (self.account_sid, self.auth_token))
        return requests.request(method, self.url + path, timeout=30, **options)


class Redirected(TwilioHttpClient):
    """Sends every request to our server, whatever host the SDK names, and keeps the responses."""

    def __init__(self, url):
        super().__init__(timeout=30)
        self.url = url
        self.requests = []
        self.response = None

    def request(self, method, url, *args, **kwargs):
        ours = urlsplit(self.url)
        url = urlsplit(url)._replace(scheme=ours.scheme, netloc=ours.netloc).geturl()
        self.requests.append(f"{method.upper()} {url}")
        self.response = super().request(method, url, *args, **kwargs)
        return self.response

    def body(self):
        """The JSON of the last response."""
        return json.loads(self.response.text)


@contextmanager
def refused(status, code, message=""):
    """Expects the SDK to raise its exception with this HTTP status and this error code."""
    with pytest.raises(TwilioRestException) as caught:
        yield caught
    assert (caught.value.status, caught.value.code) == (status, code), caught.value.msg
    assert message in caught.value.msg


def assert_refused(response, status, code):
    """The same for an answer to a request without the SDK, which must have exactly the documented body: four members,
    and `details` where there is more to say. `type` and `title` would make the SDKs take it for another kind of error."""
    body = response.json()
    assert (response.status_code, body.get("code")) == (status, code), body
    assert body.keys() - {"details"} == {"code", "message", "more_info", "status"}
    assert body["status"] == status
    assert body["more_info"] == f"https://www.twilio.com/docs/errors/{code}"
    assert body["message"]
