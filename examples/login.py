"""An application: asks a person to approve a sign-in on their devices, and waits for the verdict.

    pip install twilio
    export SERVER_URL=http://127.0.0.1:8080 ACCOUNT_SID=AC... AUTH_TOKEN=... SERVICE_SID=VA...
    python login.py ff483d1ff591

Ends with 0 if the person approved.
"""

import json
import os
import sys
from urllib.parse import urlsplit, urlunsplit

from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client


class Countersign(TwilioHttpClient):
    """Sends every request to Countersign, whatever host the SDK has chosen for it."""

    def request(self, method, url, *args, **kwargs):
        here, there = urlsplit(os.environ["SERVER_URL"]), urlsplit(url)
        url = urlunsplit(there._replace(scheme=here.scheme, netloc=here.netloc))
        return super().request(method, url, *args, **kwargs)


client = Client(os.environ["ACCOUNT_SID"], os.environ["AUTH_TOKEN"], http_client=Countersign())
person = client.verify.v2.services(os.environ["SERVICE_SID"]).entities(sys.argv[1])

devices = [factor for factor in person.factors.list() if factor.factor_type == "push" and factor.status == "verified"]
if not devices:
    sys.exit("this person has no verified device")

# Creating the challenge sends its first push.
challenge = person.challenges.create(
    factor_sid=devices[-1].sid,
    details_message="Log in to Owl Bank?",
    details_fields=['{"label": "Place", "value": "Lisbon"}'],
)
print(f"asked: {challenge.sid}", flush=True)

# A challenge ends by itself, after five minutes by default.
status = challenge.status
while status == "pending":
    # Countersign answers when the status has changed, after 25 s at the latest.
    response = client.request("GET", f"{challenge.url}?WaitSeconds=25")
    if response.status_code != 200:
        sys.exit(f"{response.status_code}: {response.text}")
    status = json.loads(response.text)["status"]
print(status)
sys.exit(status != "approved")
