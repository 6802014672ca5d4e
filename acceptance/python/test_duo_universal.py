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
    form = {"FriendlyName": "Owl portal", "Duo.RedirectUris": BACK, "PromptLife": "600"}
    return Integration(secure_server, **form)


def client(server, integration, secret=None, **more):
    authority = str(server.certificates.authority)
    host = f"localhost:{server.port}"
    return Client(integration.key, secret or integration.secret, host, BACK, duo_certs=authority, **more)


def waiting(server, url):
    """A browser without scripts that has its user asked, and the page on which it waits."""
    browser = requests.Session()
    browser.verify = str(server.certificates.authority)
    who = browser.get(url)
    assert who.status_code == 200, who.text
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', who.text))
    page = browser.post(f"{server.account.url}/sign-in/ask", data=hidden)
    assert page.status_code == 200, page.text
    return browser, page


def answered(server, integration, url, answer):
    """The page that follows the person's answer."""
    with integration.person(answer):
        browser, page = waiting(server, url)
    return browser.get(page.url).text


def brought_back(page):
    """The parameters that the browser brings back to the application from the last page."""
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
    url = duo.create_auth_url("Ann", state, nonce=nonce)
    back = brought_back(answered(secure_server, integration, url, "approved"))
    code = back["duo_code" if use_duo_code_attribute else "code"]
    assert (back["state"], back["tenant"]) == (state, "7")
    token = duo.exchange_authorization_code_for_2fa_result(code, "Ann", nonce=nonce)
    assert token["auth_result"]["result"] == "allow"
    assert token["auth_context"]["factor"] == "duo_push"
    with pytest.raises(DuoException, match="invalid_grant"):
        duo.exchange_authorization_code_for_2fa_result(code, "Ann", nonce=nonce)


def test_a_result_is_of_the_user_who_was_named(secure_server, integration):
    duo = client(secure_server, integration)
    url = duo.create_auth_url("ann", duo.generate_state())
    back = brought_back(answered(secure_server, integration, url, "approved"))
    with pytest.raises(DuoException, match="username is invalid"):
        duo.exchange_authorization_code_for_2fa_result(back["duo_code"], "eve")


def test_a_user_who_denies_is_not_sent_back(secure_server, integration):
    duo = client(secure_server, integration)
    page = answered(secure_server, integration, duo.create_auth_url("ann", duo.generate_state()), "denied")
    assert "The sign-in was denied on the device." in page
    assert "portal.example" not in page


def test_a_sign_in_goes_on_after_the_server_was_killed(secure_server, integration):
    duo = client(secure_server, integration)
    browser, page = waiting(secure_server, duo.create_auth_url("ann", duo.generate_state()))
    secure_server.kill()
    secure_server.start()
    prompt = integration.wait_for_prompt()
    assert integration.phone.answer(prompt["sid"], "approved").status_code == 200
    back = brought_back(browser.get(page.url).text)
    token = duo.exchange_authorization_code_for_2fa_result(back["duo_code"], "ann")
    assert token["auth_result"]["result"] == "allow"
