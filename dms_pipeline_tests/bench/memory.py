"""The peak memory of child processes and theirs: the engine's, while a task runs, or a peer's."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

_READ_S = 0.1
_LOOK_FOR_CHILDREN = 5
"""Looking through all processes costs more than reading of a known one."""


class PeakMemory:
    """Adds up the peaks of the processes; where the system keeps none, the largest seen."""

    def __init__(self, parent: int, *, itself: bool = False) -> None:
        self._parent = psutil.Process(parent)
        self._itself = [self._parent] if itself else []
        self._peaks: dict[int, int] = {}
        self._known: list[psutil.Process] = []

    @property
    def megabytes(self) -> float:
        return sum(self._peaks.values()) / 1e6

    def read(self, *, look_for_children: bool = True) -> None:
        if look_for_children or not self._known:
            self._known = self._itself + self._children()
        for process in self._known:
            self._peaks[process.pid] = max(self._peaks.get(process.pid, 0), _peak_bytes(process))

    def _children(self) -> list[psutil.Process]:
        try:
            return self._parent.children(recursive=True)
        except psutil.NoSuchProcess:
            return []


@contextmanager
def peak_memory(parent: int, *, itself: bool = False) -> Iterator[PeakMemory]:
    """Reads along until the block ends; with ``itself`` the parent's own memory counts too."""
    memory = PeakMemory(parent, itself=itself)
    ended = threading.Event()

    def follow() -> None:
        count = 0
        while not ended.wait(_READ_S):
            memory.read(look_for_children=count % _LOOK_FOR_CHILDREN == 0)
            count += 1

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        ended.set()
        thread.join()


def _peak_bytes(process: psutil.Process) -> int:
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        status = ""
    if found := re.search(r"VmHWM:\s+(\d+) kB", status):
        return int(found[1]) * 1024
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
