"""The package asof of client/python, built and installed into build/python (ASOF_PYTHON names another folder).

What protoc makes of proto/ for grpcio is in a package asof, too: import this module rather than asof, so that both are there."""

import fcntl
import os
import pathlib
import subprocess
import sys

import rpc_world  # noqa: F401 (makes asof.v1, which is found beside the package only if it is on the path before)

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = pathlib.Path(os.environ.get("ASOF_PYTHON", ROOT / "build/python"))


def _build():
    """Brings it up to date; make knows what it is made of. One at a time, as tests run in several processes."""
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    with open(FOLDER.parent / "python.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if "ASOF_PYTHON" not in os.environ:
            subprocess.run(["make", "-s", "-C", str(ROOT), "build/python/.done"], check=True, env=environment)


_build()
sys.path.insert(0, str(FOLDER))
sys.modules.pop("asof", None)  # the namespace that only has asof.v1
import asof  # noqa: E402

assert asof.__file__.startswith(str(FOLDER)), asof.__file__
