"""ssh's and sudo's clients of Debian: `login_duo`, and `pam_duo` by `pamtester`. `./test` unpacks them without installing them."""

import os
import subprocess
from contextlib import contextmanager

import pytest
from pam import HOST, PROGRAMS, authenticate, environment, only_here
from secure import ME, Integration, unused_port

pytestmark = only_here


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


@contextmanager
def logging_in(configuration, user="ann"):
    """A login by `login_duo`, which runs a command once the login is approved."""
    program = PROGRAMS / "usr/sbin/login_duo"
    command = [program, "-c", configuration, "-f", user, "-h", HOST, "echo", "IN"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment(), stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def log_in(configuration, user="ann"):
    """The status of a login, and what was said."""
    with logging_in(configuration, user) as process:
        output, _ = process.communicate(timeout=60)
    return process.returncode, output


@pytest.fixture
def by_pam(tmp_path):
    """Logs in by PAM."""
    return lambda configuration: authenticate(tmp_path, ME, "pam_duo", f"conf={configuration}")


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


def test_a_login_fails_when_the_server_is_killed_and_its_prompt_can_still_be_answered(secure_server, configure):
    integration = Integration(secure_server, Legacy="true", PromptLife="600")
    configuration = configure(ikey=integration.key, skey=integration.secret)
    with logging_in(configuration) as process:
        prompt = integration.wait_for_prompt()
        secure_server.kill()
        try:
            output, _ = process.communicate(timeout=60)
        finally:
            secure_server.start()
    assert process.returncode != 0
    assert "IN" not in output.split()
    assert [pending["sid"] for pending in integration.pending()] == [prompt["sid"]]
    assert integration.phone.answer(prompt["sid"], "approved").status_code == 200
    with integration.person("approved"):
        assert log_in(configuration)[0] == 0


@pytest.mark.parametrize(("answer", "status"), [("approved", 0), ("denied", 1)])
def test_pam_lets_in_whom_the_person_approves(integration, configure, by_pam, answer, status):
    with integration.person(answer) as seen:
        said = by_pam(configure(prompts=1))
    assert said[0] == status, said
    fields = {field["label"]: field["value"] for field in seen[0]["details"]["fields"]}
    assert fields["Address"] == HOST


def test_pam_lets_nobody_in_without_the_server(configure, by_pam):
    assert by_pam(configure(host=f"localhost:{unused_port()}"))[0] == 1
