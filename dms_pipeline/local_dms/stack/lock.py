"""One command at a time on a stack's folder."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dms_pipeline.errors import StackError

_POLL_INTERVAL_S = 0.05
_SAY_SO_AFTER_S = 1.0


@contextmanager
def exclusive(
    lock_file: Path, *, on_progress: Callable[[str], None], timeout_s: float = 180.0
) -> Iterator[None]:
    """Hold the lock file; the system drops the lock when this process ends, however it ends.

    Raises:
        StackError: another command held it for all of `timeout_s`.
    """
    handle = _acquire(lock_file, on_progress, timeout_s)
    try:
        yield
    finally:
        os.close(handle)


def _acquire(lock_file: Path, on_progress: Callable[[str], None], timeout_s: float) -> int:
    began = time.monotonic()
    said = False
    while True:
        handle = os.open(lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        if _try_lock(handle, lock_file):
            return handle
        os.close(handle)
        waited = time.monotonic() - began
        if waited > timeout_s:
            raise StackError(
                f"Another command has been working on {lock_file.parent} for {timeout_s:.0f} s. "
                "Wait for it or end it, then try again."
            )
        if waited > _SAY_SO_AFTER_S and not said:
            on_progress("another command is working on the local stack, waiting for it")
            said = True
        time.sleep(_POLL_INTERVAL_S)


def _try_lock(handle: int, lock_file: Path) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    try:
        # A reset may have deleted the file while we held only its name: then the lock is on
        # nothing.
        return os.fstat(handle).st_ino == lock_file.stat().st_ino
    except FileNotFoundError:
        return False
