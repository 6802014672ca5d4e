"""The Python client of Universal Prompt, unchanged but for the authority that it trusts, and a browser that it sends to the page."""

import html
import re
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from duo_universal.client import Client, DuoException
from secure import Integration

BACK = "https://portal.example/duo?tenant=7"


@pytest.fixture(scope="module")
def integration(secure_server):
    return Integration(secure_server, **{"FriendlyName": "Owl portal", "Duo.RedirectUris": BACK})


def client(server, integration, secret=None, **more):
    authority = str(server.certificates.authority)
    host = f"localhost:{server.port}"
    return Client(integration.key, secret or integration.secret, host, BACK, duo_certs=authority, **more)


def answered(server, integration, url, answer):
    """The page that follows the person's answer. The browser has no scripts."""
    browser = requests.Session()
    browser.verify = str(server.certificates.authority)
    who = browser.get(url)
    assert who.status_code == 200, who.text
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', who.text))
    with integration.person(answer):
        waiting = browser.post(f"{server.account.url}/sign-in/ask", data=hidden)
        assert waiting.status_code == 200, waiting.text
    return browser.get(waiting.url).text


def signed_in(server, integration, url):
    """The parameters that the browser brings back to the application."""
    page = answered(server, integration, url, "approved")
    to = html.unescape(re.search(r'class="onward" href="([^"]*)"', page)[1])
    assert to.startswith(BACK + "&")
    return {name: values[0] for name, values in parse_qs(urlsplit(to).query).items()}


def test_the_client_finds_the_server_well(secure_server, integration):
    assert client(secure_server, integration).health_check()["stat"] == "OK"


def test_a_wrong_secret_is_refused(secure_server, integration):
    with pytest.raises(DuoException, match="invalid_client"):
        client(secure_server, integration, secret="x" * 40).health_check()


@pytest.mark.parametrize("use_duo_code_attribute", [True, False])
def test_a_user_is_signed_in_once(secure_server, integration, use_duo_code_attribute):
    duo = client(secure_server, integration, use_duo_code_attribute=use_duo_code_attribute)
    state, nonce = duo.generate_state(), duo.generate_state()
    back = signed_in(secure_server, integration, duo.create_auth_url("Ann", state, nonce=nonce))
    code = back["duo_code" if use_duo_code_attribute else "code"]
    assert (back["state"], back["tenant"]) == (state, "7")
    token = duo.exchange_authorization_code_for_2fa_result(code, "Ann", nonce=nonce)
    assert token["auth_result"]["result"] == "allow"
    assert token["auth_context"]["factor"] == "duo_push"
    with pytest.raises(DuoException, match="invalid_grant"):
        duo.exchange_authorization_code_for_2fa_result(code, "Ann", nonce=nonce)


def test_a_result_is_of_the_user_who_was_named(secure_server, integration):
    duo = client(secure_server, integration)
    back = signed_in(secure_server, integration, duo.create_auth_url("ann", duo.generate_state()))
    with pytest.raises(DuoException, match="username is invalid"):
        duo.exchange_authorization_code_for_2fa_result(back["duo_code"], "eve")


def test_a_user_who_denies_is_not_sent_back(secure_server, integration):
    duo = client(secure_server, integration)
    page = answered(secure_server, integration, duo.create_auth_url("ann", duo.generate_state()), "denied")
    assert "The sign-in was denied on the device." in page
    assert "portal.example" not in page
