"""The commands of README.md work as they stand there."""

import os
import re
import subprocess
import threading
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[2] / "README.md"
# What a reader takes from an earlier output: what the command shows, and how it looks.
TAKEN = {"VA…": r"VA[0-9a-f]{32}", "YF…": r"YF[0-9a-f]{32}", "YC…": r"YC[0-9a-f]{32}", "eyJ…": r"eyJ[\w.-]+"}


def commands():
    """The commands of the section, from the one on that sets the variables."""
    section = README.read_text().partition("## Running it")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```console\n(.*?)^```$", section, re.M | re.S)
    lines = re.sub(r"\\\n\s*", "", "".join(blocks)).splitlines()
    given = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return given[given.index("SID=AC… TOKEN=…") + 1 :]


class Reader:
    """Somebody who types one command after the other, and copies from what came before."""

    def __init__(self, server, folder):
        self.folder = folder
        self.url = server.url
        self.seen = ""
        self.environment = os.environ | {"SID": server.account_sid, "TOKEN": server.auth_token}

    def typed(self, command):
        for shown, looks in TAKEN.items():
            if shown in command:
                command = command.replace(shown, re.findall(looks, self.seen)[-1])
        assert "…" not in command, command
        return command.replace("http://127.0.0.1:8080", self.url).replace("countersign", os.environ["ACCEPTANCE_PROGRAM"], 1)

    def start(self, command):
        return subprocess.Popen(
            self.typed(command),
            shell=True,
            executable="/bin/bash",
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command):
        typed = command.replace("curl ", "curl --silent --show-error --fail-with-body ", 1)
        said, _ = (process := self.start(typed)).communicate(timeout=60)
        self.seen += said
        assert process.returncode == 0, f"{command}\n{said}"


@pytest.fixture
def reader(server, client, tmp_path):
    reader = Reader(server, tmp_path)
    yield reader
    for service in set(re.findall(TAKEN["VA…"], reader.seen)):
        client.verify.v2.services(service).delete()


def test_the_commands_of_the_readme_work_as_written(reader):
    to_type = commands()
    listen = to_type.index("countersign phone listen")
    for command in to_type[:listen]:
        reader.run(command)

    phone = reader.start("exec " + to_type[listen])
    watchdog = threading.Timer(60, phone.kill)
    watchdog.start()
    try:
        assert any("connected" in line for line in phone.stdout)
        for command in to_type[listen + 1 :]:
            reader.run(command)
        assert any("Log in from Lisbon?" in line for line in phone.stdout)
    finally:
        watchdog.cancel()
        phone.kill()
        phone.communicate()
