"""The programs in `examples/`, run as they stand."""

import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from secure import unused_port

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PATIENCE = 60


class Program:
    """A running example. Its lines are read as they come."""

    def __init__(self, process):
        self.process = process
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def line(self, part):
        """The next line that contains this text."""
        while (line := self.lines.get(timeout=PATIENCE)) is not None:
            if part in line:
                return line
        raise AssertionError(f"it ended without {part!r}")

    def type(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()


@contextmanager
def running(command, **environment):
    process = subprocess.Popen(
        command,
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield Program(process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)


@pytest.fixture
def device(client, server, service, identity):
    """The example's device, waiting for a prompt."""
    token = client.verify.v2.services(service.sid).access_tokens.create(identity=identity, factor_type="push").token
    command = [sys.executable, EXAMPLES / "device.py", server.url, service.sid, identity, token]
    with running(command) as device:
        device.line("waiting")
        yield device


@pytest.fixture(params=["login.py", "login.mjs"])
def application(request, tmp_path):
    """The command that runs the example."""
    name = request.param
    if name.endswith(".py"):
        return [sys.executable, EXAMPLES / name]
    # Node looks for packages beside the program.
    shutil.copy(EXAMPLES / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(EXAMPLES.parent / "acceptance" / "node_modules")
    return ["node", tmp_path / name]


@pytest.fixture
def free_port():
    return unused_port()


@pytest.fixture
def environment(server, service):
    """The environment of the applications."""
    return {
        "SERVER_URL": server.url,
        "ACCOUNT_SID": server.account_sid,
        "AUTH_TOKEN": server.auth_token,
        "SERVICE_SID": service.sid,
        # From these the SDK would make a host of Twilio.
        "TWILIO_REGION": "ie1",
        "TWILIO_EDGE": "dublin",
    }


@pytest.mark.parametrize(("typed", "verdict", "code"), [("y", "approved", 0), ("n", "denied", 1)])
def test_a_person_answers_on_the_device_and_the_application_knows(
    device, application, environment, identity, typed, verdict, code
):
    with running([*application, identity], **environment) as login:
        login.line("asked: YC")
        device.line("Place: Lisbon")
        device.type(typed)
        device.line(verdict)
        login.line(verdict)
        assert login.process.wait(PATIENCE) == code


def test_a_person_without_a_device_is_not_asked(application, environment, client, service, identity):
    client.verify.v2.services(service.sid).entities.create(identity=identity)
    with running([*application, identity], **environment) as login:
        login.line("no verified device")
        assert login.process.wait(PATIENCE) == 1


def test_the_receiver_prints_what_is_signed_and_refuses_what_is_not(
    client, server, service, entity, enrol, free_port
):
    webhooks = client.verify.v2.services(service.sid).webhooks
    webhook = webhooks.create(
        friendly_name="Example", event_types=["factor.created"], webhook_url=f"http://127.0.0.1:{free_port}/hook"
    )
    secret = server.call("GET", f"/v2/Services/{service.sid}/Webhooks/{webhook.sid}/Secret").json()["secret"]
    environment = {"AUTH_TOKEN": server.auth_token, "WEBHOOK_SECRET": secret, "WEBHOOK_URL": webhook.webhook_url}
    try:
        with running([sys.executable, EXAMPLES / "webhooks.py", str(free_port)], **environment) as receiver:
            _, factor = enrol(entity)
            assert receiver.line("factor.created") == f"factor.created {factor.sid}"
            forged = requests.post(
                webhook.webhook_url,
                data={"uuid": "1", "type": "factor.created"},
                headers={"Countersign-Signature": "t=1,v1=00", "X-Twilio-Signature": "AA="},
                timeout=PATIENCE,
            )
            assert forged.status_code == 403
            assert receiver.lines.empty()
    finally:
        webhooks(webhook.sid).delete()
