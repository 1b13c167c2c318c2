"""Processes that begin with their modules imported, which takes longer than most of what they do.

Each is forked from a server process of this session, in a session of its own, and is otherwise what
an interpreter started anew would be: no state, no threads, no open files of the tests.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import IO

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        __name__,
        "dms_pipeline.local_dms.engine.process",
        "dms_pipeline.cli.run",
        "dms_pipeline.cli.inspect",
        "dms_pipeline.cli.local",
        "dms_pipeline.local_dms.app",
    ]
)


def start_warm(
    work: Callable[..., int | None],
    *arguments: str,
    output: IO[str],
    errors: IO[str] | None = None,
    commands: IO[str] | None = None,
    environment: Mapping[str, str] | None = None,
    daemon: bool = False,
) -> BaseProcess:
    """Starts ``work`` of a module; what it returns is the exit code.

    Args:
        work: a function of a module, which the process imports.
        arguments: for the function.
        output: its standard output, and its standard error unless ``errors`` is given.
        errors: its standard error.
        commands: its standard input; nothing unless given.
        environment: the whole of it; this process's own unless given.
        daemon: whether it has no children and is terminated when the tests end.
    """
    streams = {
        name: Connection(os.dup(file.fileno()))
        for name, file in (("stdin", commands), ("stdout", output), ("stderr", errors or output))
        if file is not None
    }
    process = _FORKS.Process(
        target=_work,
        args=(work, arguments, dict(os.environ if environment is None else environment), streams),
        daemon=daemon,
    )
    process.start()
    for stream in streams.values():
        stream.close()
    return process


def _work(
    work: Callable[..., int | None],
    arguments: tuple[str, ...],
    environment: Mapping[str, str],
    streams: dict[str, Connection],
) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    for name, stream in streams.items():
        os.dup2(stream.fileno(), getattr(sys, name).fileno())
        stream.close()
    sys.exit(work(*arguments))
