"""The suites of examples/testing/, each against a server in test mode that it starts itself."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SUITES = Path(__file__).resolve().parents[2] / "examples" / "testing"
PATIENCE = 300
COMMANDS = {
    "test_sign_in.py": [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--quiet"],
    "sign-in.test.mjs": ["node", "--test", "--test-reporter=spec"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_passes(name, tmp_path):
    # A suite of its own, without our settings of pytest.
    suite = shutil.copy(SUITES / name, tmp_path)
    environment = os.environ | {"COUNTERSIGN": os.environ["ACCEPTANCE_PROGRAM"], "PYTHONDONTWRITEBYTECODE": "1"}
    command = [*COMMANDS[name], suite]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert run.returncode == 0, run.stdout + run.stderr


def test_there_is_a_command_for_every_example():
    assert {path.name for path in SUITES.iterdir() if path.is_file()} == set(COMMANDS)
