"""ssh's and sudo's clients of Debian: `login_duo`, and `pam_duo` by `pamtester`. `./test` unpacks them without installing them."""

import os
import pwd
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from secure import Integration, unused_port

PROGRAMS = Path(os.environ.get("ACCEPTANCE_DUO", "."))
LIBRARIES = next(PROGRAMS.glob("usr/lib/*/libduo.so.3"), PROGRAMS).parent
HOST = "192.0.2.7"

pytestmark = pytest.mark.skipif(
    "ACCEPTANCE_DUO" not in os.environ or os.geteuid() != 0,
    reason="only root may tell login_duo its configuration, and Debian has the programs",
)


@pytest.fixture(scope="module")
def integration(secure_server):
    """An integration that takes signatures without a date, as Debian 12's clients make them."""
    return Integration(secure_server, Legacy="true", PromptLife="10")


@pytest.fixture
def configure(secure_server, integration, tmp_path):
    """Writes a configuration, as the documentation shows it."""

    def write(**more):
        host = f"localhost:{secure_server.port}"
        settings = {
            "ikey": integration.key,
            "skey": integration.secret,
            "host": host,
            "cafile": secure_server.certificates.authority,
            "failmode": "secure",
            "autopush": "yes",
            "pushinfo": "yes",
        } | more
        file = tmp_path / "duo.conf"
        file.touch(0o600)
        file.write_text("[duo]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items()))
        return file

    return write


def environment(**more):
    return {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": str(LIBRARIES)} | more


def log_in(configuration, typed="", user="ann"):
    """Logs in by `login_duo`, which runs a command once the login is approved."""
    program = PROGRAMS / "usr/sbin/login_duo"
    command = [program, "-c", configuration, "-f", user, "-h", HOST, "echo", "IN"]
    done = subprocess.run(command, env=environment(), input=typed, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout


@contextmanager
def alias_for_root(integration):
    """PAM knows only users of this machine: root is Ann."""
    server, service = integration.server, integration.phone.service_sid
    path = f"/v2/Services/{service}/Integrations"
    sid = server.account.call("GET", path).json()["integrations"][0]["sid"]
    name = pwd.getpwuid(0).pw_name
    aliases = {"Aliases": [f"ann={integration.identity}", f"{name}={integration.identity}"]}
    changed = server.account.call("POST", f"{path}/{sid}", data=aliases)
    assert changed.status_code == 200, changed.text
    yield name


@pytest.fixture
def authenticate(integration, tmp_path):
    """Logs in by PAM."""
    services = tmp_path / "pam.d"
    services.mkdir()
    (services / "other").write_text("auth required pam_deny.so\n")

    def run(configuration):
        module = next(PROGRAMS.glob("lib/*/security/pam_duo.so"))
        (services / "owl").write_text(f"auth required {module} conf={configuration}\n")
        own = environment(
            LD_PRELOAD=str(LIBRARIES / "libpam_wrapper.so"),
            PAM_WRAPPER="1",
            PAM_WRAPPER_SERVICE_DIR=str(services),
        )
        with alias_for_root(integration) as user:
            command = [PROGRAMS / "usr/bin/pamtester", "-I", f"rhost={HOST}", "owl", user, "authenticate"]
            done = subprocess.run(command, env=own, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    return run


def test_an_approval_lets_in_and_shows_where_it_comes_from(integration, configure):
    with integration.person("approved") as seen:
        status, output = log_in(configure())
    assert (status, output.split()[-1]) == (0, "IN")
    assert seen[0]["details"]["message"] == "Log in to Owl ssh?"
    fields = {field["label"]: field["value"] for field in seen[0]["details"]["fields"]}
    assert fields["User"] == "ann"
    assert fields["Address"] == HOST
    assert fields["Host"] == os.uname().nodename
    assert fields["Command"] == "echo IN"


def test_a_denial_lets_nobody_in(integration, configure):
    with integration.person("denied"):
        status, output = log_in(configure())
    assert status != 0
    assert "IN" not in output.split()


def test_a_prompt_that_nobody_answers_lets_nobody_in(integration, configure):
    with integration.person(None):
        status, output = log_in(configure())
    assert status != 0
    assert "IN" not in output.split()


def test_a_user_whom_the_service_does_not_know_is_not_let_in(integration, configure):
    status, output = log_in(configure(), user="eve")
    assert status != 0
    assert "IN" not in output.split()
    assert integration.pending() == []


@pytest.mark.parametrize(
    "wrong", [{"skey": "w" * 40}, {"ikey": "DI000000000000000000"}, {"cafile": "/etc/ssl/certs/ca-certificates.crt"}]
)
def test_a_server_that_does_not_trust_or_is_not_trusted_lets_nobody_in(integration, configure, wrong):
    status, output = log_in(configure(**wrong))
    assert status != 0
    assert "IN" not in output.split()
    assert integration.pending() == []


def test_without_the_server_nobody_is_let_in(configure):
    status, output = log_in(configure(host=f"localhost:{unused_port()}"))
    assert status != 0
    assert "IN" not in output.split()


@pytest.mark.parametrize(("answer", "status"), [("approved", 0), ("denied", 1)])
def test_pam_lets_in_whom_the_person_approves(integration, configure, authenticate, answer, status):
    with integration.person(answer) as seen:
        said = authenticate(configure())
    assert said[0] == status, said
    fields = {field["label"]: field["value"] for field in seen[0]["details"]["fields"]}
    assert fields["Address"] == HOST


def test_pam_lets_nobody_in_without_the_server(configure, authenticate):
    assert authenticate(configure(host=f"localhost:{unused_port()}"))[0] == 1
