"""The lease: one holder, renewed while it lives, free soon after it dies."""

import threading
from pathlib import Path

import pytest

from dms_pipeline.errors import LoadError
from dms_pipeline_tests.a_pipeline import World, a_world


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = a_world(tmp_path)
    world.lease_clock = Clock()
    return world


def test_second_run_is_refused_naming_the_first_and_the_remedy(world):
    world.lease("run-1").take()
    with pytest.raises(LoadError, match="being loaded by run run-1 since .*dms-pipeline cleanup"):
        world.lease("run-2").take()


def test_reexecution_of_the_same_run_takes_it_again_and_finds_its_note(world):
    first = world.lease("run-1")
    first.take()
    first.note_source_end("mysql-bin.000001:4")
    again = world.lease("run-1")
    again.take()
    assert again.source_end == "mysql-bin.000001:4"


def test_run_that_is_over_frees_the_lease_but_keeps_its_note_for_a_repetition(world):
    first = world.lease("run-1")
    first.take()
    first.note_source_end("mysql-bin.000001:4")
    world.lease("run-1").end()
    assert world.lease("anybody").holder() is None
    again = world.lease("run-1")
    again.take()
    assert again.source_end == "mysql-bin.000001:4"
    again.end()
    world.lease("run-2").take()


def test_lease_of_a_dead_run_ends_by_itself(world):
    world.lease("run-1").take()
    world.lease_clock.now += 301
    world.lease("run-2").take()
    assert world.lease("anybody").holder().run_id == "run-2"


def test_lease_that_is_kept_does_not_end(world):
    lease = world.lease("run-1")
    lease.take()
    for _ in range(10):
        world.lease_clock.now += 120
        lease.keep()
    with pytest.raises(LoadError):
        world.lease("run-2").take()


def test_lease_is_renewed_while_nobody_else_can_take_it(world):
    lease = world.lease("run-1")
    lease.take()
    first = lease.holder().expires_at
    world.lease_clock.now += 199
    lease.keep()
    assert (lease.is_fresh, lease.holder().expires_at) == (True, first)
    world.lease_clock.now += 2
    assert not lease.is_fresh
    lease.keep()
    assert (lease.is_fresh, lease.holder().expires_at > first) == (True, True)


def test_holder_that_lost_its_lease_notices(world):
    lost = world.lease("run-1")
    lost.take()
    world.lease_clock.now += 301
    world.lease("run-2").take()
    with pytest.raises(LoadError, match="being loaded by run run-2"):
        lost.keep()


def test_release_gives_back_only_ones_own_unless_forced(world):
    world.lease("run-1").take()
    world.lease("run-2").release()
    assert world.lease("anybody").holder() is not None
    world.lease("cleanup").release(force=True)
    assert world.lease("anybody").holder() is None
    world.lease("run-2").take()


def test_of_twenty_racing_runs_one_wins(world):
    outcomes: list[str] = []

    def race(run_id: str) -> None:
        try:
            world.lease(run_id).take()
            outcomes.append("won")
        except LoadError:
            outcomes.append("refused")

    racers = [threading.Thread(target=race, args=(f"run-{number}",)) for number in range(20)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert sorted(outcomes) == ["refused"] * 19 + ["won"]


def test_pipelines_do_not_block_each_other(world):
    world.lease("run-1").take()
    other = world.lease("run-2")
    other._pipeline = "another"
    other.take()
