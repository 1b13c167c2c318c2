"""Dagster alone: a job of ten ops that do nothing, one after the other, as a load has its steps."""

import dagster as dg

_OPS = 10


@dg.op(ins={"start": dg.In(dg.Nothing)}, out=dg.Out(dg.Nothing))
def nothing() -> None:
    """Does nothing."""


@dg.op(out=dg.Out(dg.Nothing))
def begin() -> None:
    """Does nothing, as the first."""


@dg.job(executor_def=dg.in_process_executor)
def ten_ops() -> None:
    done = begin()
    for number in range(1, _OPS):
        done = nothing.alias(f"nothing_{number}")(done)


defs = dg.Definitions(jobs=[ten_ops])
