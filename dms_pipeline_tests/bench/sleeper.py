"""A program that runs another module as a program, and writes down how long that slept.

    python -m dms_pipeline_tests.bench.sleeper FILE MODULE ARGUMENTS...

What counts is `time.sleep` in the main thread, where the steps of a run are: Dagster's own watchers
sleep in threads beside it.
"""

import json
import runpy
import sys
import threading
import time
from pathlib import Path

_sleep = time.sleep
_slept_s = 0.0


def _counted_sleep(seconds: float, /) -> None:
    global _slept_s  # noqa: PLW0603
    begun = time.monotonic()
    _sleep(seconds)
    if threading.current_thread() is threading.main_thread():
        _slept_s += time.monotonic() - begun


def main() -> None:
    file, module, *arguments = sys.argv[1:]
    setattr(time, "sleep", _counted_sleep)  # noqa: B010
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        Path(file).write_text(json.dumps(_slept_s))


if __name__ == "__main__":
    main()
