"""Arrays make every row from the first one on, where they make only many in production."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from dms_pipeline.local_dms.engine import many_rows
from dms_pipeline.local_dms.engine.process import main


@contextmanager
def arrays_at_once(alike: int = 1) -> Iterator[None]:
    """``alike`` is how many rows of a kind it takes."""
    with patch.multiple(many_rows, OF_A_TABLE=0, LAID_OUT_ALIKE=alike):
        yield


def main_with_arrays() -> int:
    """An engine's process."""
    with arrays_at_once():
        return main()
