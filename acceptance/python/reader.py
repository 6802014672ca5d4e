"""Follows a document: runs its commands in order, with values from earlier outputs."""

import os
import re
import subprocess
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).resolve().parents[2]
# Values from earlier outputs: their placeholder in documents, and their pattern.
TAKEN = {"VA…": r"VA[0-9a-f]{32}", "YF…": r"YF[0-9a-f]{32}", "YC…": r"YC[0-9a-f]{32}", "eyJ…": r"eyJ[\w.-]+"}


def page(document):
    """The whole text of a document."""
    return (ROOT / document).read_text()


def section(document, heading):
    """The text below a heading of the second rank."""
    text = page(document).partition(f"\n## {heading}\n")[2]
    assert text, f"{document} has no section {heading}"
    return text.partition("\n## ")[0]


def blocks(text, mark):
    return [dedent(block) for block in re.findall(rf"^ *```{mark}\n(.*?)^ *```$", text, re.M | re.S)]


def commands(text):
    """The commands of all consoles in a text."""
    lines = re.sub(r"\\\n\s*", "", "".join(blocks(text, "console"))).splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


class Reader:
    def __init__(self, server, folder):
        self.folder = folder
        self.url = server.url
        self.seen = ""
        self.environment = os.environ | {"SID": server.account_sid, "TOKEN": server.auth_token}

    def typed(self, command):
        command = command.replace(" …/", f" {self.url}/").replace("http://127.0.0.1:8080", self.url)
        for written, looks in TAKEN.items():
            if written in command:
                command = command.replace(written, re.findall(looks, self.seen)[-1])
        assert "…" not in command, command
        command = re.sub(r"^curl ", "curl --silent --show-error --fail-with-body ", command)
        return re.sub(r"^countersign ", f"{os.environ['ACCEPTANCE_PROGRAM']} ", command)

    def start(self, command):
        """Starts a command without a terminal, so that a prompt for a password reads an empty line."""
        return subprocess.Popen(
            ["bash", "-c", f"exec {self.typed(command)}"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, command):
        """Runs a command, which must succeed; returns its output."""
        process = self.start(command)
        try:
            said, _ = process.communicate("\n", timeout=60)
        finally:
            process.kill()
        self.seen += said
        assert process.returncode == 0, f"{command}\n{said}"
        return said
