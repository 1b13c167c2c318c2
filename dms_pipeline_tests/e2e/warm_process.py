"""Processes that begin with Dagster imported, which takes longer than most of what they do.

Each is forked from a server process of this session, in a session of its own, and is otherwise what
an interpreter started anew would be: no state, no threads, no open files of the tests.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [__name__, "dms_pipeline.cli.run", "dms_pipeline.cli.inspect", "dms_pipeline.cli.local"]
)


def start_warm(
    work: Callable[..., int | None],
    *arguments: str,
    environment: Mapping[str, str],
    output: Path,
    errors: Path | None = None,
) -> BaseProcess:
    """Starts ``work`` of a module; what it returns is the exit code.

    Args:
        work: a function of a module, which the process imports.
        arguments: for the function.
        environment: the whole of it.
        output: the file for standard output, and for standard error unless ``errors`` is given.
        errors: the file for standard error.
    """
    process = _FORKS.Process(
        target=_work, args=(work, arguments, dict(environment), output, errors or output)
    )
    process.start()
    return process


def _work(
    work: Callable[..., int | None],
    arguments: tuple[str, ...],
    environment: Mapping[str, str],
    output: Path,
    errors: Path,
) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    for path, stream in ((output, sys.stdout), (errors, sys.stderr)):
        with path.open("ab") as file:
            os.dup2(file.fileno(), stream.fileno())
    sys.exit(work(*arguments))
