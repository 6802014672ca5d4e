from datetime import datetime

import pytest
from wire import refused


def test_an_entity_is_created_and_fetched_by_its_identity(client, service, server, identity):
    entities = client.verify.v2.services(service.sid).entities
    made = entities.create(identity=identity)

    fetched = entities(identity).fetch()

    assert made.sid.startswith("YE")
    assert (fetched.sid, fetched.identity) == (made.sid, identity)
    assert (fetched.account_sid, fetched.service_sid) == (server.account_sid, service.sid)
    assert isinstance(fetched.date_created, datetime) and isinstance(fetched.date_updated, datetime)
    assert fetched.url == f"{server.url}/v2/Services/{service.sid}/Entities/{identity}"
    assert fetched.links == {
        "factors": f"{fetched.url}/Factors",
        "new_factors": f"{fetched.url}/Factors",
        "challenges": f"{fetched.url}/Challenges",
    }


def test_an_identity_can_be_taken_only_once(client, service, identity):
    entities = client.verify.v2.services(service.sid).entities
    entities.create(identity=identity)

    with refused(409, 60301):
        entities.create(identity=identity)


def test_a_deleted_entity_is_gone_and_its_identity_is_free_again(client, service, identity):
    entities = client.verify.v2.services(service.sid).entities
    first = entities.create(identity=identity)

    assert entities(identity).delete() is True

    with refused(404, 20404):
        entities(identity).fetch()
    assert entities.create(identity=identity).sid != first.sid


def test_a_first_factor_makes_the_entity(entity, enrol, identity):
    with refused(404, 20404):
        entity.fetch()

    enrol(entity)

    assert entity.fetch().identity == identity


@pytest.fixture
def crowd(client):
    """A new service with three entities, so that a list can be compared as a whole."""
    service = client.verify.v2.services.create(friendly_name="Crowd")
    entities = client.verify.v2.services(service.sid).entities
    names = {f"user-number-{number}" for number in range(3)}
    for name in names:
        entities.create(identity=name)
    yield entities, names
    service.delete()


def test_the_list_goes_on_over_pages_of_one(crowd, client):
    entities, names = crowd
    client.http_client.requests.clear()

    listed = [entity.identity for entity in entities.stream(page_size=1)]

    assert sorted(listed) == sorted(names)
    assert len(client.http_client.requests) in (3, 4)


def test_the_list_stops_at_the_limit(crowd):
    entities, _ = crowd

    assert len(entities.list(limit=2, page_size=1)) == 2


def test_pages_lead_to_the_next_and_to_the_previous_one(crowd, server):
    entities, _ = crowd
    first = entities.page(page_size=1)
    first_identity = next(first).identity

    second = first.next_page()
    second_identity = next(second).identity

    assert second.next_page_url.startswith(f"{server.url}/v2/Services/")
    assert second_identity != first_identity
    assert next(second.previous_page()).identity == first_identity


@pytest.mark.parametrize("page_size, code", [("0", 20001), ("many", 20001), ("1001", 20007)])
def test_a_page_size_out_of_bounds_is_refused(server, service, page_size, code):
    response = server.call("GET", f"/v2/Services/{service.sid}/Entities", params={"PageSize": page_size})

    assert (response.status_code, response.json()["code"]) == (400, code)


def test_an_invented_page_token_is_refused(server, service):
    response = server.call("GET", f"/v2/Services/{service.sid}/Entities", params={"PageToken": "mine"})

    assert (response.status_code, response.json()["code"]) == (400, 60306)


@pytest.mark.parametrize("identity", ["short", "x" * 65, "not_allowed_here", "with spaces in it"])
def test_an_identity_keeps_to_its_alphabet_and_length(client, service, identity):
    with refused(400, 60306):
        client.verify.v2.services(service.sid).entities.create(identity=identity)
