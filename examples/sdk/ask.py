import os
import time

from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

URL, SERVICE, PERSON = os.environ["VERIFY_URL"], os.environ["SERVICE_SID"], "ff483d1ff591"


class Countersign(TwilioHttpClient):
    def request(self, method, url, *args, **kwargs):
        path = url.split("/", 3)[3]
        return super().request(method, f"{URL}/{path}", *args, **kwargs)


client = Client(os.environ["ACCOUNT_SID"], os.environ["AUTH_TOKEN"], http_client=Countersign(timeout=30))
service = client.verify.v2.services(SERVICE)
person = service.entities(PERSON)

token = service.access_tokens.create(identity=PERSON, factor_type="push").token
print(f"{URL}/authenticator#service={SERVICE}&identity={PERSON}&token={token}")
input("Press Enter once the device is enrolled. ")
challenge = person.challenges.create(
    factor_sid=person.factors.list()[-1].sid,
    details_message="Log in from Lisbon?",
    details_fields=[{"label": "Place", "value": "Lisbon"}],
)
while challenge.status == "pending":
    time.sleep(1)
    challenge = challenge.fetch()
print(challenge.status)
