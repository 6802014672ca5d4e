from datetime import datetime

import pytest
from phone import Phone
from wire import assert_refused, refused


def test_a_token_is_created_and_fetched(client, service, server, identity):
    tokens = client.verify.v2.services(service.sid).access_tokens
    made = tokens.create(identity=identity, factor_type="push", factor_friendly_name="Ann's phone", ttl=120)

    fetched = tokens(made.sid).fetch()

    assert made.sid.startswith("YK")
    assert (made.account_sid, made.service_sid) == (server.account_sid, service.sid)
    assert made.entity_identity == identity
    assert (made.factor_type, made.factor_friendly_name, made.ttl) == ("push", "Ann's phone", 120)
    assert isinstance(made.date_created, datetime)
    assert made.url == f"{server.url}/v2/Services/{service.sid}/AccessTokens/{made.sid}"
    assert fetched.token == made.token and made.token


def test_a_token_lasts_a_minute_by_default(client, service, identity):
    tokens = client.verify.v2.services(service.sid).access_tokens

    assert tokens.create(identity=identity, factor_type="push").ttl == 60


@pytest.mark.parametrize(
    "wrong",
    [{"ttl": 59}, {"ttl": 301}, {"factor_type": "totp"}, {"identity": "short"}, {"factor_friendly_name": "x" * 65}],
)
def test_parameters_out_of_bounds_are_refused(client, service, identity, wrong):
    with refused(400, 60305):
        client.verify.v2.services(service.sid).access_tokens.create(
            **{"identity": identity, "factor_type": "push", **wrong}
        )


def test_a_phone_enrols_itself_with_a_token(client, service, server, identity):
    services = client.verify.v2.services(service.sid)
    token = services.access_tokens.create(identity=identity, factor_type="push").token
    phone = Phone(server.url)

    assert phone.enrol(service.sid, identity, token).status_code == 201
    assert phone.verify().status_code == 200

    factor = services.entities(identity).factors(phone.sid).fetch()
    assert (factor.status, factor.metadata) == ("verified", {"os": "Android"})


def test_a_token_enrols_one_phone_only(client, service, server, identity):
    token = client.verify.v2.services(service.sid).access_tokens.create(identity=identity, factor_type="push").token
    assert Phone(server.url).enrol(service.sid, identity, token).status_code == 201

    assert_refused(Phone(server.url).enrol(service.sid, identity, token), 403, 60313)


def test_a_token_is_good_for_its_own_identity_only(client, service, server, identity):
    token = client.verify.v2.services(service.sid).access_tokens.create(identity=identity, factor_type="push").token

    assert_refused(Phone(server.url).enrol(service.sid, "somebody-else", token), 403, 60313)


def test_an_invented_token_is_no_credential(service, server, identity):
    response = Phone(server.url).enrol(service.sid, identity, "an-invented-token")

    assert response.status_code == 401
