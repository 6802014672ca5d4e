"""The Python client of the Duo Auth API, unchanged but for the authority that it trusts."""

import duo_client
import pytest
from secure import Integration


@pytest.fixture(scope="module")
def integration(secure_server):
    return Integration(secure_server, UnknownUsers="enrol")


@pytest.fixture(params=[5, 2])
def auth(secure_server, integration, request):
    return client(secure_server, integration, sig_version=request.param)


def client(server, integration, **more):
    more.setdefault("skey", integration.secret)
    authority = str(server.certificates.authority)
    return duo_client.Auth(ikey=integration.key, host="localhost", port=server.port, ca_certs=authority, **more)


def test_the_client_reaches_the_server_and_its_integration(auth):
    assert auth.ping()["time"] == pytest.approx(auth.check()["time"], abs=2)


def test_the_client_learns_how_ann_can_be_asked(auth, integration):
    offered = auth.preauth(username="ann", ipaddr="192.0.2.7")
    assert (offered["result"], offered["status_msg"]) == ("auth", "Account is active")
    assert [device["device"] for device in offered["devices"]] == [integration.phone.sid]


@pytest.mark.parametrize(("answer", "result", "status"), [("approved", "allow", "allow"), ("denied", "deny", "deny")])
def test_a_push_that_the_client_waits_for(auth, integration, answer, result, status):
    with integration.person(answer) as seen:
        # A request that is equal to another of the same second would be taken for its copy.
        pushinfo = f"from=Lisbon&x=%C3%A4&{answer}=1"
        ask = {"device": "auto", "type": "Open the vault", "pushinfo": pushinfo, "ipaddr": "192.0.2.7"}
        said = auth.auth("push", username="ann", **ask)
    assert (said["result"], said["status"]) == (result, status)
    assert seen[0]["details"]["message"] == "Open the vault"
    fields = {field["label"]: field["value"] for field in seen[0]["details"]["fields"]}
    assert fields == {
        "Application": "Owl ssh",
        "User": "ann",
        "Address": "192.0.2.7",
        "from": "Lisbon",
        "x": "ä",
        answer: "1",
    }


def test_a_push_that_the_client_asks_about(auth, integration):
    txid = auth.auth("push", username="ann", device="auto", async_txn=True)["txid"]
    assert auth.auth_status(txid)["status"] == "pushed"
    with integration.person("approved"):
        said = auth.auth_status(txid)
    assert (said["waiting"], said["success"], said["status"]) == (False, True, "allow")


def test_an_unknown_user_is_invited(auth):
    made = auth.enroll(username=f"new{auth.sig_version}", valid_secs=60)
    assert "/authenticator#" in made["activation_url"]
    assert auth.enroll_status(made["user_id"], made["activation_code"]) == "waiting"


def test_a_wrong_secret_is_refused(secure_server, integration):
    with pytest.raises(RuntimeError, match="401"):
        client(secure_server, integration, skey="wrong").check()
