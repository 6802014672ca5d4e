"""A phone: it holds a P-256 key and calls the server as the mobile SDKs do, over plain HTTP."""

import base64
import json
import time

import requests
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

FORM = "application/x-www-form-urlencoded"


class Phone:
    def __init__(self, url):
        self.url = url
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.sid = None

    # Enrolment

    @property
    def public_key(self):
        """The value of `Binding.PublicKey`."""
        der = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(der).decode()

    def keep(self, factor):
        """Keeps the factor that the server made of this phone, from the SDK or from JSON."""
        told = factor if isinstance(factor, dict) else vars(factor)
        self.sid = told["sid"]
        self.account_sid = told["account_sid"]
        self.service_sid = told["service_sid"]
        self.identity = told["identity"]
        self.key_id = told["config"]["credential_sid"]

    def enrol(self, service_sid, identity, access_token, platform="none"):
        """Enrols itself with an access token from its backend."""
        response = requests.post(
            f"{self.url}/v2/Services/{service_sid}/Entities/{identity}/Factors",
            auth=("token", access_token),
            headers={"Accept": "application/json"},
            data={
                "FriendlyName": "Ann's phone",
                "FactorType": "push",
                "Binding.PublicKey": self.public_key,
                "Binding.Alg": "ES256",
                "Config.SdkVersion": "0.9.0",
                "Config.AppId": "com.example.owlbank",
                "Config.NotificationPlatform": platform,
                "Metadata": json.dumps({"os": "Android"}),
            },
            timeout=30,
        )
        if response.status_code == 201:
            self.keep(response.json())
        return response

    def proof(self):
        """The `AuthPayload` that verifies its factor: a DER signature over the factor's SID."""
        return base64.b64encode(self.key.sign(self.sid.encode(), ec.ECDSA(hashes.SHA256()))).decode()

    # Afterwards

    def verify(self):
        return self.call("POST", f"/Factors/{self.sid}", data={"AuthPayload": self.proof()})

    def see(self, challenge_sid):
        """The challenge as this phone reads it, with the header that says what an answer must sign."""
        return self.call("GET", f"/Challenges/{challenge_sid}")

    def answer(self, challenge_sid, status):
        """Reads the challenge and answers it: `approved` or `denied`."""
        seen = self.see(challenge_sid)
        seen.raise_for_status()
        return self.send_answer(challenge_sid, self.signed_answer(seen, status))

    def send_answer(self, challenge_sid, auth_payload):
        return self.call("POST", f"/Challenges/{challenge_sid}", data={"AuthPayload": auth_payload})

    def signed_answer(self, seen, status):
        """The `AuthPayload` for a challenge that was read before."""
        challenge = seen.json()
        names = seen.headers["Twilio-Verify-Signature-Fields"].split(",")
        return self.jwt({"typ": "JWT", "alg": "ES256"}, {name: challenge[name] for name in names} | {"status": status})

    def call(self, method, path, data=None):
        """A request below this phone's entity, under a fresh device token."""
        return requests.request(
            method,
            f"{self.url}/v2/Services/{self.service_sid}/Entities/{self.identity}{path}",
            auth=("token", self.device_token()),
            # The mobile SDKs send this; the server must accept it.
            headers={"Accept": FORM if method == "GET" else "application/json", "Content-Type": FORM},
            data=data,
            timeout=30,
        )

    def device_token(self, age=0):
        made = int(time.time()) - age
        header = {"cty": "twilio-pba;v=1", "kid": self.key_id, "typ": "JWT", "alg": "ES256"}
        return self.jwt(header, {"sub": self.account_sid, "exp": made + 600, "nbf": made})

    def jwt(self, header, payload):
        # Both mobile platforms write a slash as `\/`: the value counts, not its text.
        parts = [
            json.dumps(part, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/")
            for part in (header, payload)
        ]
        signed = ".".join(base64url(part.encode()) for part in parts)
        r, s = decode_dss_signature(self.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
