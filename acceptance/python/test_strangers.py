"""Callers without rights, and their refusals."""

import pytest
from wire import assert_refused, refused


def test_a_wrong_token_is_refused(server):
    with refused(401, 20003, "Authenticate"):
        server.client(auth_token="x" * 32).verify.v2.services("VA" + "0" * 32).fetch()


@pytest.mark.parametrize("auth", [None, ("AC" + "0" * 32, "x" * 32), ("token", "x.y.z")])
def test_without_good_credentials_the_answer_is_401(server, service, auth):
    response = server.call("GET", f"/v2/Services/{service.sid}", auth=auth)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Basic")
    assert response.headers["Date"].endswith(" GMT")


def test_without_any_credentials_the_body_is_the_documented_one(server):
    assert_refused(server.call("GET", "/v2/Services", auth=None), 401, 20003)


def test_another_account_sees_nothing_of_ours(stranger, service, ann):
    challenge = ann.ask()
    theirs = stranger.client().verify.v2.services(service.sid)
    entity = theirs.entities(ann.phone.identity)

    not_found = f"The requested resource /Services/{service.sid} was not found"
    with refused(404, 20404, not_found):
        theirs.fetch()
    with refused(404, 20404):
        theirs.update(friendly_name="Mine now")
    with refused(404, 20404):
        theirs.delete()
    with refused(404, 20404):
        entity.fetch()
    with refused(404, 20404):
        entity.factors(ann.phone.sid).fetch()
    with refused(404, 20404):
        entity.challenges(challenge.sid).fetch()
    with refused(404, 20404):
        entity.challenges(challenge.sid).notifications.create()
    assert service.sid not in [item.sid for item in stranger.client().verify.v2.services.stream()]


def test_an_unknown_sid_looks_the_same_as_a_foreign_one(stranger, service):
    unknown = "VA" + "0" * 32
    answers = [stranger.call("GET", f"/v2/Services/{sid}") for sid in (service.sid, unknown)]

    foreign, absent = (answer.text.replace(service.sid, unknown) for answer in answers)
    assert foreign == absent
    for answer in answers:
        assert_refused(answer, 404, 20404)


def test_a_resource_of_another_service_is_not_found(client, ann):
    other = client.verify.v2.services.create(friendly_name="Other Bank")
    entity = client.verify.v2.services(other.sid).entities(ann.phone.identity)

    with refused(404, 20404):
        entity.factors(ann.phone.sid).fetch()
    with refused(404, 20404):
        entity.challenges(ann.ask().sid).notifications.create()
    other.delete()


def test_one_persons_phone_sees_nothing_of_another(ann, client, service, enrol):
    bob_entity = client.verify.v2.services(service.sid).entities("bob-is-someone-else")
    bob, factor = enrol(bob_entity)
    bob_entity.factors(factor.sid).update(auth_payload=bob.proof())
    challenge = ann.ask()

    # Below his paths her challenge does not exist; below hers he is refused.
    assert_refused(bob.see(challenge.sid), 404, 20404)
    bob.identity = ann.phone.identity
    assert_refused(bob.see(challenge.sid), 403, 20403)


def test_a_path_that_does_not_exist_is_not_found(server):
    assert_refused(server.call("GET", "/v2/Nothing"), 404, 20404)


def test_a_method_that_does_not_exist_is_not_allowed(server, service):
    assert_refused(server.call("PUT", f"/v2/Services/{service.sid}", data={}), 405, 20004)
