"""The programs of examples/sdk/, run under observation."""

import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from reader import blocks, page

FOLDER = Path(__file__).resolve().parent
PROGRAMS = FOLDER.parents[1] / "examples" / "sdk"
WITHIN = 60.0


@dataclass(frozen=True)
class Language:
    """A language: its name, its page in docs/start/sdk/ with the mark of the program's block, the program's file, and the
    commands that check and run it."""

    name: str
    page: str
    mark: str
    file: str
    check: tuple[str, ...] = ()
    run: tuple[str, ...] = ()

    def __str__(self):
        return self.name

    def shown(self):
        """The program as its page shows it."""
        program, *_ = blocks(page(f"docs/start/sdk/{self.page}.md"), self.mark)
        return program

    def program(self):
        return (PROGRAMS / self.file).read_text()

    def copy(self, folder):
        """Copies the program into this folder, since what runs it may write beside it."""
        return Path(shutil.copy(PROGRAMS / self.file, folder))

    def runner(self):
        """The command that runs the program, or none: the SDKs of most languages are installed by hand."""
        own = os.environ.get(f"ACCEPTANCE_RUN_{self.mark.upper()}")
        return (own,) if own else self.run


PYTHON = Language("Python", "python", "python", "ask.py", run=(sys.executable,))
NODE = Language("Node", "node", "js", "ask.mjs", run=("node",))
LANGUAGES = (
    PYTHON,
    NODE,
    Language("Go", "go", "go", "ask.go", check=("gofmt", "-e", "-l")),
    Language("Java", "java", "java", "Ask.java", check=("javac", "-proc:none", "-XDshould-stop.ifNoError=PARSE")),
    Language("Ruby", "ruby", "ruby", "ask.rb", check=("ruby", "-wc")),
    Language("PHP", "php", "php", "ask.php", check=("php", "-l")),
    Language("C#", "csharp", "csharp", "Ask.cs", check=("mcs", "--parse")),
)


class Relay(ThreadingHTTPServer):
    """A relay to our server that records method, path and named host of every request."""

    daemon_threads = True

    def __init__(self, target):
        super().__init__(("127.0.0.1", 0), Handover)
        self.target = urlsplit(target).netloc
        self.netloc = f"127.0.0.1:{self.server_port}"
        self.url = f"http://{self.netloc}"
        self.requests = []
        self.changed = threading.Condition()

    def note(self, method, path, host):
        with self.changed:
            self.requests.append((method, urlsplit(path).path, host))
            self.changed.notify_all()

    def wait_for(self, method, end):
        """Waits until a request with this method and this end of its path has come."""

        def has_come():
            return any(came == method and path.endswith(end) for came, path, _ in self.requests)

        with self.changed:
            assert self.changed.wait_for(has_come, WITHIN), f"no {method} …{end}, but {self.requests}"


class Handover(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = WITHIN

    def hand_over(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        own = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection", "expect")}
        onward = HTTPConnection(self.server.target, timeout=WITHIN)
        onward.request(self.command, self.path, body, own)
        answer = onward.getresponse()
        said = answer.read()
        onward.close()
        # Recorded before the program gets the response, so that requests are in order.
        self.server.note(self.command, self.path, self.headers["Host"])
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = do_DELETE = hand_over

    def log_message(self, *_):
        pass


class Running:
    """A program that runs under the guard. Use it as a context: at its end the program is gone."""

    def __init__(self, command, folder, **settings):
        self.guard_log = folder / "guard.log"
        self.guard_log.touch()
        self.output = ""
        if not (folder / "node_modules").exists():
            (folder / "node_modules").symlink_to(FOLDER.parent / "node_modules")
        own = {name: value for name, value in os.environ.items() if not name.startswith("TWILIO_")}
        guarded = {
            "GUARD_LOG": str(self.guard_log),
            "NODE_OPTIONS": f"--import={(FOLDER / 'guard' / 'guard.mjs').as_uri()}",
            "PYTHONPATH": str(FOLDER / "guard"),
        }
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=own | guarded | settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self):
        self.watchdog = threading.Timer(5 * WITHIN, self.process.kill)
        self.watchdog.start()
        return self

    def __exit__(self, *_):
        self.watchdog.cancel()
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def read_token(self):
        """The access token in the link that the program prints."""
        for line in self.process.stdout:
            self.output += line
            if "/authenticator#" in line:
                return parse_qs(urlsplit(line.strip()).fragment)["token"][0]
        raise AssertionError(f"the program printed no link:\n{self.output}")

    def press_enter(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self):
        """Waits until it exits; returns its status."""
        self.output += self.process.stdout.read()
        return self.process.wait()

    def strangers(self):
        """The hosts off this machine that it tried to reach."""
        return self.guard_log.read_text().split()
