"""Debian's programs that log in by PAM, which `./test` unpacks without installing them."""

import os
import subprocess
from pathlib import Path

import pytest

PROGRAMS = Path(os.environ.get("ACCEPTANCE_PAM", "."))
LIBRARIES = next(PROGRAMS.glob("usr/lib/*/libduo.so.3"), PROGRAMS).parent
HOST = "192.0.2.7"

only_here = pytest.mark.skipif(
    "ACCEPTANCE_PAM" not in os.environ or os.geteuid() != 0,
    reason="only root may tell login_duo and PAM their configuration, and Debian has the programs",
)


def environment(**more):
    return {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": str(LIBRARIES)} | more


def authenticate(folder, user, module, *options, typed=""):
    """Logs a user of this machine in by a module of PAM; the status and what was said."""
    services = folder / "pam.d"
    services.mkdir(exist_ok=True)
    (services / "other").write_text("auth required pam_deny.so\n")
    file = next(PROGRAMS.glob(f"lib/*/security/{module}.so"))
    (services / "owl").write_text(f"auth required {file} {' '.join(options)}\n")
    own = environment(
        LD_PRELOAD=str(LIBRARIES / "libpam_wrapper.so"),
        PAM_WRAPPER="1",
        PAM_WRAPPER_SERVICE_DIR=str(services),
    )
    command = [PROGRAMS / "usr/bin/pamtester", "-I", f"rhost={HOST}", "owl", user, "authenticate"]
    done = subprocess.run(command, env=own, input=typed, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr
