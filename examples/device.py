"""A device: enrols with an access token, holds the device stream, and asks each question in this terminal.

    pip install cryptography requests websockets
    python device.py http://127.0.0.1:8080 VA... ff483d1ff591 eyJ...

The arguments are the server, the service, the person's identity, and an access token that the application created for
this person. The key lives in memory only: the factor is of no use once this program has ended.
"""

import base64
import json
import sys
import time

import requests
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from websockets.sync.client import connect

server, service, identity, access_token = sys.argv[1:]
entity = f"{server}/v2/Services/{service}/Entities/{identity}"
key = ec.generate_private_key(ec.SECP256R1())


def jws(header, payload):
    """A compact JWS: ES256 with the 64 bytes of r and s, not DER."""
    parts = [base64url(json.dumps(part).encode()) for part in (header, payload)]
    r, s = decode_dss_signature(key.sign(".".join(parts).encode(), ec.ECDSA(hashes.SHA256())))
    return ".".join([*parts, base64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))])


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def device_jwt(**more):
    """Proof of the key for one call: valid for ten minutes."""
    header = {"typ": "JWT", "alg": "ES256", "cty": "twilio-pba;v=1", "kid": factor["config"]["credential_sid"]}
    now = int(time.time())
    return jws(header, {"sub": factor["account_sid"], "nbf": now, "exp": now + 600, **more})


def call(method, url, password, form=None):
    response = requests.request(method, url, auth=("token", password), data=form, timeout=30)
    if not response.ok:
        sys.exit(f"{method} {url}: {response.status_code} {response.text}")
    return response


def enrol():
    """Registers the public key (SubjectPublicKeyInfo in DER), and gets the factor."""
    public_key = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    form = {
        "FriendlyName": "A device in Python",
        "FactorType": "push",
        "Binding.Alg": "ES256",
        "Binding.PublicKey": base64.b64encode(public_key).decode(),
        "Config.AppId": "com.example.device",
        "Config.NotificationPlatform": "stream",
        "Config.SdkVersion": "1.0.0",
    }
    return call("POST", f"{entity}/Factors", access_token, form).json()


def verify():
    """Proves the private key: an ordinary DER signature over the factor's SID."""
    signature = key.sign(factor["sid"].encode(), ec.ECDSA(hashes.SHA256()))
    form = {"AuthPayload": base64.b64encode(signature).decode()}
    call("POST", f"{entity}/Factors/{factor['sid']}", device_jwt(), form)


def answer(challenge_sid):
    """Reads the challenge, asks the person, and signs all that was shown, with the verdict."""
    url = f"{entity}/Challenges/{challenge_sid}"
    response = call("GET", url, device_jwt())
    challenge = response.json()
    for field in challenge["details"].get("fields", []):
        print(f"  {field['label']}: {field['value']}")
    status = "approved" if input(f"{challenge['details']['message']} [y/n] ") == "y" else "denied"
    names = response.headers["Twilio-Verify-Signature-Fields"].split(",")
    signed = {name: challenge[name] for name in names} | {"status": status}
    call("POST", url, device_jwt(), {"AuthPayload": jws({"typ": "JWT", "alg": "ES256"}, signed)})
    print(status, flush=True)


def listen():
    """One connection of the stream. Each prompt is acknowledged before the person has answered it."""
    stream = f"{entity}/Factors/{factor['sid']}/Stream".replace("http", "ws", 1)
    with connect(stream) as socket:
        socket.send(device_jwt(nonce=socket.recv()))
        for frame in map(json.loads, socket):
            if frame["type"] == "linked":
                print(f"enrolled as {factor['sid']}, waiting", flush=True)
            elif frame["type"] == "verify_push_challenge":
                socket.send(json.dumps({"type": "ack", "notification_sid": frame["notification_sid"]}))
                answer(frame["challenge_sid"])


factor = enrol()
verify()
listen()
