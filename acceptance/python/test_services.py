from datetime import datetime, timedelta, timezone

import pytest
from wire import refused


@pytest.fixture
def owl(client):
    service = client.verify.v2.services.create(
        friendly_name="Owl Bank",
        code_length=8,
        push_include_date=True,
        totp_issuer="Owl",
        totp_time_step=45,
        totp_code_length=7,
        totp_skew=2,
    )
    yield service
    client.verify.v2.services(service.sid).delete()


def test_a_new_service_has_the_settings_it_was_given(owl, server):
    assert owl.sid.startswith("VA") and len(owl.sid) == 34
    assert owl.account_sid == server.account_sid
    assert owl.friendly_name == "Owl Bank"
    assert owl.code_length == 8
    assert owl.push == {"include_date": True, "apn_credential_sid": None, "fcm_credential_sid": None}
    assert owl.totp == {"issuer": "Owl", "time_step": 45, "code_length": 7, "skew": 2}
    assert owl.url == f"{server.url}/v2/Services/{owl.sid}"
    assert owl.links["entities"] == f"{server.url}/v2/Services/{owl.sid}/Entities"
    assert {"webhooks", "access_tokens"} <= owl.links.keys()


def test_its_dates_arrive_as_datetimes_in_utc(owl):
    for date in (owl.date_created, owl.date_updated):
        assert isinstance(date, datetime)
        assert date.utcoffset() == timedelta(0)
        assert abs(datetime.now(timezone.utc) - date) < timedelta(minutes=1)


def test_a_service_can_be_fetched(client, owl):
    assert client.verify.v2.services(owl.sid).fetch().friendly_name == "Owl Bank"


def test_an_update_changes_what_it_names_and_nothing_else(client, owl):
    updated = client.verify.v2.services(owl.sid).update(friendly_name="Owl Bank EU", push_include_date=False)

    assert updated.friendly_name == "Owl Bank EU"
    assert updated.push["include_date"] is False
    assert updated.code_length == 8
    assert updated.totp == owl.totp
    assert client.verify.v2.services(owl.sid).fetch().friendly_name == "Owl Bank EU"


def test_a_deleted_service_is_gone_and_so_is_all_below_it(client):
    service = client.verify.v2.services.create(friendly_name="Short lived")
    context = client.verify.v2.services(service.sid)
    context.entities.create(identity="a-user-of-short-lived")

    assert context.delete() is True

    with refused(404, 20404, f"The requested resource /Services/{service.sid} was not found"):
        context.fetch()
    with refused(404, 20404):
        context.entities("a-user-of-short-lived").fetch()
    with refused(404, 20404):
        context.delete()


def test_the_list_goes_on_over_pages_of_one(client):
    made = [client.verify.v2.services.create(friendly_name=f"Branch {letter}") for letter in "ABC"]

    listed = [service.sid for service in client.verify.v2.services.stream(page_size=1)]

    assert len(listed) == len(set(listed))
    assert {service.sid for service in made} <= set(listed)
    pages = [line for line in client.http_client.requests if line.startswith("GET")]
    assert len(pages) >= len(listed)
    for service in made:
        service.delete()


@pytest.mark.parametrize(
    "wrong",
    [
        {"friendly_name": "x" * 33},
        {"friendly_name": "Owl Bank", "code_length": 11},
        {"friendly_name": "Owl Bank", "push_apn_credential_sid": "not-a-sid"},
        {"friendly_name": "Owl Bank", "push_fcm_credential_sid": "CR" + "0" * 32},
        {"friendly_name": "Owl Bank", "totp_time_step": 19},
    ],
)
def test_settings_out_of_bounds_are_refused(client, wrong):
    with refused(400, 60200):
        client.verify.v2.services.create(**wrong)


def test_a_service_needs_a_name(server):
    response = server.call("POST", "/v2/Services", data={})

    assert (response.status_code, response.json()["code"]) == (400, 20001)
    assert "FriendlyName" in response.json()["message"]
