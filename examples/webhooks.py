"""A receiver of webhooks: checks both signatures, and prints each event once.

    pip install twilio
    export AUTH_TOKEN=... WEBHOOK_SECRET=... WEBHOOK_URL=https://owlbank.example.com/hook
    python webhooks.py 8000

WEBHOOK_URL is the `webhook_url` that the server shows, WEBHOOK_SECRET the `secret` of GET .../Webhooks/{Sid}/Secret.
"""

import hashlib
import hmac
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

from twilio.request_validator import RequestValidator

BYTES_MOST = 1024 * 1024
AGE_MOST = 300
validator = RequestValidator(os.environ["AUTH_TOKEN"])
# A call can arrive twice. Keep these in your database.
seen = set()


def is_twilios(form, headers):
    return validator.validate(os.environ["WEBHOOK_URL"], form, headers.get("X-Twilio-Signature", ""))


def is_countersigns(body, headers):
    """Covers the raw body and the time, so an old call cannot be sent again."""
    parts = dict(part.split("=", 1) for part in headers.get("Countersign-Signature", "").split(",") if "=" in part)
    sent = parts.get("t", "")
    if not sent.isdecimal() or abs(time.time() - int(sent)) > AGE_MOST:
        return False
    expected = hmac.new(os.environ["WEBHOOK_SECRET"].encode(), f"{sent}.".encode() + body, hashlib.sha256)
    return hmac.compare_digest(parts.get("v1", "").encode(), expected.hexdigest().encode())


class Receiver(BaseHTTPRequestHandler):
    timeout = 10

    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > BYTES_MOST:
            return self.end(413)
        body = self.rfile.read(int(length))
        form = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
        if not (is_countersigns(body, self.headers) and is_twilios(form, self.headers)):
            return self.end(403)
        if form["uuid"] not in seen:
            seen.add(form["uuid"])
            print(form["type"], form.get("challenge_sid", form.get("factor_sid", "")), flush=True)
        self.end(204)

    def end(self, status):
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
