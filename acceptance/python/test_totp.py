import base64
import time
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from wire import refused

STEP = 60


@pytest.fixture
def app(entity):
    """A factor with codes, and its code this many steps from now. Two steps either way are accepted, so that a test may
    run across the end of one."""
    factor = entity.new_factors.create(
        friendly_name="Ann's codes", factor_type="totp", config_time_step=STEP, config_skew=2
    )
    totp = TOTP(base64.b32decode(factor.binding["secret"]), 6, SHA1(), STEP, enforce_key_length=False)
    return factor, lambda steps=0: totp.generate(time.time() + steps * STEP).decode()


def test_a_factor_with_codes_shows_its_secret_once(entity, app):
    factor, _ = app

    uri = urlsplit(factor.binding["uri"])
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert parse_qs(uri.query)["secret"] == [factor.binding["secret"]]
    assert factor.sid.startswith("YF02")
    assert (factor.factor_type, factor.status) == ("totp", "unverified")
    assert factor.config == {"alg": "sha1", "skew": 2, "code_length": 6, "time_step": STEP}
    assert factor.binding["secret"] not in str(entity.factors(factor.sid).fetch().__dict__)


def test_codes_verify_it_and_answer_challenges_once_each(entity, app):
    factor, code = app
    with refused(403, 60318):
        entity.challenges.create(factor_sid=factor.sid, auth_payload=code())
    first = code(-1)
    assert entity.factors(factor.sid).update(auth_payload=first).status == "verified"

    at_once = entity.challenges.create(factor_sid=factor.sid, auth_payload=code())
    assert (at_once.sid[:4], at_once.status, at_once.factor_type) == ("YC02", "approved", "totp")

    later = entity.challenges.create(factor_sid=factor.sid)
    assert later.status == "pending"
    with refused(403, 60324):
        entity.challenges(later.sid).update(auth_payload=first)
    assert entity.challenges(later.sid).update(auth_payload=code(1)).status == "approved"
    with refused(403, 60322):
        entity.challenges(later.sid).update(auth_payload=code(2))
