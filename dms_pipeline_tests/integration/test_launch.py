"""What commands share that run at once."""

import time
from pathlib import Path
from tempfile import TemporaryFile

from dms_pipeline.launch import dagster_instance
from dms_pipeline_tests.warm_process import start_warm

_COMMANDS = 8


def _open_together(home: str, moment: str) -> None:
    time.sleep(max(0.0, float(moment) - time.time()))
    with dagster_instance(Path(home)) as instance:
        assert instance.get_runs() == []


def test_first_commands_may_come_at_once(tmp_path: Path) -> None:
    home, moment = str(tmp_path / "home"), str(time.time() + 1)
    with TemporaryFile("w+") as output:
        processes = [
            start_warm(_open_together, home, moment, environment={}, output=output)
            for _ in range(_COMMANDS)
        ]
        for process in processes:
            process.join()
        output.seek(0)
        assert [process.exitcode for process in processes] == [0] * _COMMANDS, output.read()
