from datetime import datetime

import pytest
from phone import Phone
from wire import refused


def test_a_new_factor_shows_its_binding_once(entity, enrol, server, service, identity):
    phone, factor = enrol(entity, metadata={"os": "Android", "model": "Pixel / 9"})

    assert factor.sid.startswith("YF")
    assert (factor.account_sid, factor.service_sid, factor.identity) == (server.account_sid, service.sid, identity)
    assert factor.entity_sid == entity.fetch().sid
    assert factor.binding == {"alg": "ES256", "public_key": phone.public_key}
    assert (factor.friendly_name, factor.factor_type, factor.status) == ("Ann's phone", "push", "unverified")
    assert factor.metadata == {"os": "Android", "model": "Pixel / 9"}
    assert factor.config["app_id"] == "com.example.owlbank"
    assert factor.config["sdk_version"] == "0.9.0"
    assert factor.config["notification_platform"] == "fcm"
    assert factor.config["credential_sid"].startswith("CR")
    assert isinstance(factor.date_created, datetime) and isinstance(factor.date_updated, datetime)
    assert factor.url == f"{server.url}/v2/Services/{service.sid}/Entities/{identity}/Factors/{factor.sid}"

    assert "public_key" not in str(entity.factors(factor.sid).fetch().__dict__)


def test_a_real_signature_verifies_it(entity, enrol):
    phone, factor = enrol(entity)

    assert entity.factors(factor.sid).update(auth_payload=phone.proof()).status == "verified"
    assert entity.factors(factor.sid).fetch().status == "verified"


def test_the_phone_verifies_itself_with_its_own_token(entity, enrol):
    phone, factor = enrol(entity)

    assert phone.verify().status_code == 200
    assert entity.factors(factor.sid).fetch().status == "verified"


def test_the_signature_of_another_key_does_not_verify_it(entity, enrol, server):
    _, factor = enrol(entity)
    thief = Phone(server.url)
    thief.sid = factor.sid

    with refused(403, 60311):
        entity.factors(factor.sid).update(auth_payload=thief.proof())
    assert entity.factors(factor.sid).fetch().status == "unverified"


def test_factors_are_listed_over_pages_of_one(entity, enrol):
    made = {enrol(entity)[1].sid for _ in range(3)}

    listed = [factor.sid for factor in entity.factors.stream(page_size=1)]

    assert sorted(listed) == sorted(made)


def test_a_factor_gets_a_new_name_and_a_new_push_token(entity, enrol):
    _, factor = enrol(entity)

    updated = entity.factors(factor.sid).update(
        friendly_name="Ann's new phone", config_notification_token="t" * 64, config_sdk_version="0.9.1"
    )

    assert updated.friendly_name == "Ann's new phone"
    assert updated.config["notification_token"] == "t" * 64
    assert updated.config["sdk_version"] == "0.9.1"
    assert updated.config["credential_sid"] == factor.config["credential_sid"]


def test_a_factor_without_push_keeps_no_token(entity, enrol):
    _, factor = enrol(entity)

    updated = entity.factors(factor.sid).update(config_notification_platform="none")

    assert updated.config["notification_platform"] == "none"
    assert not updated.config["notification_token"]


def test_a_deleted_factor_is_gone_and_its_phone_is_refused(entity, verified):
    phone = verified()

    assert entity.factors(phone.sid).delete() is True

    with refused(404, 20404):
        entity.factors(phone.sid).fetch()
    assert phone.call("GET", f"/Factors/{phone.sid}").status_code == 401


def test_a_phone_deletes_its_own_factor(entity, verified):
    phone = verified()

    assert phone.call("DELETE", f"/Factors/{phone.sid}").status_code == 204
    with refused(404, 20404):
        entity.factors(phone.sid).fetch()


def test_a_key_can_be_enrolled_once_for_a_user(entity, enrol):
    phone, _ = enrol(entity)

    with refused(409, 60317):
        enrol(entity, phone)


@pytest.mark.parametrize("public_key", ["", "not base64", "aGVsbG8=", "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"])
def test_something_else_than_a_p256_key_is_refused(entity, enrol, public_key):
    with refused(400, 60314):
        enrol(entity, binding_public_key=public_key)


@pytest.mark.parametrize(
    "wrong",
    [
        {"friendly_name": "x" * 65},
        {"factor_type": "sms"},
        {"config_notification_platform": "pigeon"},
        {"config_notification_token": "short"},
        {"config_app_id": "x" * 101},
    ],
)
def test_parameters_out_of_bounds_are_refused(entity, enrol, wrong):
    with refused(400, 60306):
        enrol(entity, **wrong)
