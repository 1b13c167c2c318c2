"""A run that dies around any of its AWS calls, and is executed again, ends as if it had not."""

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from dms_pipeline_tests.a_pipeline import NAME, World, a_world, checkpoint_at
from dms_pipeline_tests.fake_engine import Script, table_row


class Crash(BaseException):
    """Like kill -9: nothing catches it."""


class DyingApp:
    """Passes calls on, until the one before or after which the caller dies."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.calls = 0
        self.dies_at = 0
        self.dies_after = False

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        self.calls += 1
        if self.calls == self.dies_at and not self.dies_after:
            raise Crash
        answer: Iterable[bytes] = self._app(environ, start_response)
        if self.calls == self.dies_at:
            raise Crash
        return answer


def an_incremental_load(home: Path) -> tuple[World, DyingApp]:
    """A world in which the full load is done and an incremental one is due."""
    world = a_world(home)
    world.run("run-1")
    tables = [table_row("studentdb", "student_details", Inserts=3)]
    world.engine.script(NAME, Script(tables=tables, checkpoint=checkpoint_at(3000)))
    dying = DyingApp(world.app)
    world.app = dying
    return world, dying


def calls_of_a_load(home: Path) -> int:
    world, dying = an_incremental_load(home)
    world.run("run-2", cdc=True)
    return dying.calls


def test_load_that_dies_at_some_aws_calls_ends_well_when_repeated(tmp_path):
    total = calls_of_a_load(tmp_path / "whole")
    assert total > 30
    chance = random.Random(20261123)
    for number in sorted(chance.sample(range(1, total + 1), 8)):
        die_and_repeat(tmp_path, number, total, dies_after=chance.random() < 0.5)


def die_and_repeat(home: Path, number: int, total: int, *, dies_after: bool) -> None:
    world, dying = an_incremental_load(home / str(number))
    dying.dies_at, dying.dies_after = number, dies_after
    with pytest.raises(Crash):
        world.run("run-2", cdc=True)
    dying.dies_at = 0
    world.run("run-2", cdc=True)
    where = f"died at call {number} of {total}"
    history = list(world.checkpoints.history("studentdb"))
    assert [record.run_id for record in history] == ["run-1", "run-2"], where
    assert history[-1].checkpoint == checkpoint_at(3000), where
    loads = [row for row in world.metrics.history("studentdb") if row.run_id == "run-2"]
    assert [row.counts.inserts for row in loads] == [3], where
    assert len([run for run in world.metrics.runs("studentdb") if run.run_id == "run-2"]) == 1
    assert world.dms.find_instance(NAME) is None, where
    assert world.dms.find_task(NAME) is None, where
    assert world.lease("anybody").holder() is None, where
