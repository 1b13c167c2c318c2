"""The AWS walkthrough through the real Dagster jobs, on real servers and the local DMS."""

import os
import subprocess
import sys
from pathlib import Path


def test_demo_holds_every_comparison_and_leaves_nothing_running(tmp_path: Path):
    environment = {**os.environ, "DMS_LOCAL_HOME": str(tmp_path / "local")}
    environment.pop("DAGSTER_HOME", None)
    command = [sys.executable, "-m", "dms_pipeline.cli"]
    for attempt in ("first", "second"):
        ended = subprocess.run(
            [*command, "demo"], env=environment, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, f"{attempt} demo:\n{ended.stdout}\n{ended.stderr}"
        assert "All 19 comparisons held." in ended.stdout
        assert "Traceback" not in ended.stdout + ended.stderr
    status = subprocess.run(
        [*command, "local", "status"], env=environment, capture_output=True, text=True, check=False
    )
    assert status.returncode == 1
    assert "running" not in status.stdout
