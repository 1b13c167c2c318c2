"""The linters of templates and Dockerfiles, which have an environment of their own."""

import os
import subprocess
from pathlib import Path

import dms_pipeline

ROOT = Path(dms_pipeline.__file__).parents[1]
DEPLOY = ROOT / "dms_pipeline" / "deploy"
NO_LINTERS = "no linters here; `make .venv/linters/installed` installs them"
_PROGRAMS = ROOT / ".venv" / "linters" / "bin"
ARE_HERE = (_PROGRAMS.parent / "installed").is_file()


def lint(program: str, *arguments: str | Path) -> str:
    """What the linter complains of; empty if nothing is wrong."""
    done = subprocess.run(
        [str(_PROGRAMS / program), *map(str, arguments)],
        env={**os.environ, "LOG_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        check=False,
    )
    return (done.stdout + done.stderr or "it failed") if done.returncode else ""
