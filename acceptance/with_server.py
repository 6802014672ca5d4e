#!/usr/bin/env python3
"""Starts a fresh Countersign, runs commands against it, and stops it.

    with_server.py COMMAND [ARGUMENT ...] [--then COMMAND [ARGUMENT ...]] ...

Every command runs, also after one that failed; the answer is 0 only if all of them and the server's own shutdown
succeeded. The commands find the server in their environment:

    ACCEPTANCE_URL                                             where it listens
    ACCEPTANCE_PROGRAM                                         the program, for tests that start it again
    ACCEPTANCE_DATA_DIR                                        the server's data folder, for commands beside it
    ACCEPTANCE_ACCOUNT_SID, ACCEPTANCE_AUTH_TOKEN              the account they work with
    ACCEPTANCE_OTHER_ACCOUNT_SID, ACCEPTANCE_OTHER_AUTH_TOKEN  an account that must see nothing of it

The server is the program named by COUNTERSIGN_BIN, by default target/debug/countersign. Everything this suite assumes
about its command line stands in the class `Program`.
"""

import json
import os
import random
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

READY_WITHIN = 120.0
STOPPED_WITHIN = 60.0


class Program:
    """The part of the server's command line that this suite uses."""

    def __init__(self, executable, data_dir, port):
        self.executable = str(executable)
        self.data_dir = str(data_dir)
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def serve(self):
        return [
            self.executable,
            "serve",
            "--listen",
            f"127.0.0.1:{self.port}",
            "--data-dir",
            self.data_dir,
            "--public-url",
            self.url,
            # The suites' own webhooks listen beside them.
            "--allow-outgoing",
            "127.0.0.0/8",
        ]

    def settings(self, first_account):
        """Names the first account, and lifts two limits: of new entities, of which the suites make many a second, and of
        challenges in a row, most of which they do not answer."""
        return {
            "COUNTERSIGN_ACCOUNT_SID": first_account.sid,
            "COUNTERSIGN_AUTH_TOKEN": first_account.token,
            "COUNTERSIGN_LIMITS__ENTITIES_PER_ACCOUNT_PER_SECOND": "0",
            "COUNTERSIGN_LIMITS__PUSH_CHALLENGES_IN_A_ROW": "0",
        }

    def create_account(self):
        return [self.executable, "--data-dir", self.data_dir, "accounts", "create"]


class Account:
    def __init__(self, sid, token):
        self.sid = sid
        self.token = token

    @classmethod
    def invented(cls):
        """A chosen account, with a token of 64 characters."""
        return cls("AC" + secrets.token_hex(16), secrets.token_hex(32))

    @classmethod
    def printed(cls, text):
        """The account in the output of `accounts create`."""
        try:
            fields = json.loads(text)
            return cls(fields.get("sid") or fields["account_sid"], fields["auth_token"])
        except (ValueError, KeyError, TypeError):
            pass
        sid = re.search(r"\bAC[0-9a-fA-F]{32}\b", text)
        token = re.search(r"(?<![0-9A-Za-z_-])(?!AC[0-9a-fA-F]{32}\b)[0-9A-Za-z_-]{32,}", text)
        if not (sid and token):
            raise SystemExit(f"`accounts create` printed no account SID and auth token:\n{text}")
        return cls(sid.group(), token.group())


def environment(**more):
    """Our environment, without the server's settings and without proxies: all traffic stays on loopback."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("COUNTERSIGN_") and not name.lower().endswith("_proxy")
    }
    return kept | more


def unused_port():
    """A port below those that systems hand out by themselves: nobody gets it before the server listens there."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def wait_until_ready(server, url):
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise SystemExit(f"the server ended with {server.returncode} before it was ready")
        try:
            with direct.open(f"{url}/readyz", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.05)
    raise SystemExit(f"the server was not ready within {READY_WITHIN:.0f} s")


@contextmanager
def running(program, first_account, log):
    """The running server. It is stopped in every case, and must exit with success."""
    server = subprocess.Popen(
        program.serve(),
        env=environment(**program.settings(first_account)),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )
    try:
        wait_until_ready(server, program.url)
        yield
        if server.poll() is not None:
            raise SystemExit(f"the server ended by itself, with {server.returncode}")
        server.terminate()
        try:
            status = server.wait(STOPPED_WITHIN)
        except subprocess.TimeoutExpired:
            raise SystemExit(f"the server did not stop within {STOPPED_WITHIN:.0f} s of SIGTERM") from None
        if status != 0:
            raise SystemExit(f"the server ended with {status} after SIGTERM")
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()


def create_other_account(program):
    made = subprocess.run(
        program.create_account(),
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if made.returncode != 0:
        raise SystemExit(f"`accounts create` failed:\n{made.stdout}{made.stderr}")
    return Account.printed(made.stdout)


def commands_of(arguments):
    """The commands between the words `--then`."""
    commands = [[]]
    for argument in arguments:
        if argument == "--then":
            commands.append([])
        else:
            commands[-1].append(argument)
    if not all(commands):
        raise SystemExit(__doc__)
    return commands


def run(commands):
    executable = Path(os.environ.get("COUNTERSIGN_BIN", "target/debug/countersign")).resolve()
    if not os.access(executable, os.X_OK):
        raise SystemExit(f"no server at {executable}: build it first, or name it in COUNTERSIGN_BIN")

    with tempfile.TemporaryDirectory(prefix="countersign-acceptance-") as folder:
        log_file = Path(folder, "server.log")
        try:
            with log_file.open("wb") as log:
                program = Program(executable, Path(folder, "data"), unused_port())
                account = Account.invented()
                # The data folder belongs to one process at a time: the other account is made between two starts.
                with running(program, account, log):
                    pass
                other = create_other_account(program)
                with running(program, account, log):
                    told = environment(
                        ACCEPTANCE_URL=program.url,
                        ACCEPTANCE_PROGRAM=program.executable,
                        ACCEPTANCE_DATA_DIR=program.data_dir,
                        ACCEPTANCE_ACCOUNT_SID=account.sid,
                        ACCEPTANCE_AUTH_TOKEN=account.token,
                        ACCEPTANCE_OTHER_ACCOUNT_SID=other.sid,
                        ACCEPTANCE_OTHER_AUTH_TOKEN=other.token,
                    )
                    failed = [command for command in commands if subprocess.run(command, env=told).returncode != 0]
            if failed:
                raise SystemExit("failed: " + "; ".join(" ".join(command) for command in failed))
        except SystemExit:
            print("--- the server's last words", *last_lines(log_file), "---", sep="\n", file=sys.stderr)
            raise


def last_lines(log_file, count=40):
    return log_file.read_text(errors="replace").splitlines()[-count:]


def stop_on_sigterm(*_):
    raise SystemExit("stopped by a signal")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop_on_sigterm)
    run(commands_of(sys.argv[1:]))
