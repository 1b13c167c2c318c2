"""The checkpoint table: never empty, never backwards, one winner."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dms_pipeline.aws.dynamodb import ConditionFailedError
from dms_pipeline.errors import LoadError
from dms_pipeline.records import CheckpointRecord
from dms_pipeline.resources.checkpoints import CheckpointStore
from dms_pipeline_tests.a_pipeline import a_world, checkpoint_at

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
RECORD = CheckpointRecord(
    pipeline="studentdb",
    sequence=0,
    checkpoint=checkpoint_at(1000),
    run_id="run-1",
    task_arn="arn:aws:dms:us-east-1:1:task:A",
    stop_reason="STOPPED_AT_SERVER_TIME",
    source_server="server_id 1",
    instance_class="dms.t3.medium",
    instance_created_at=MOMENT,
    started_at=MOMENT,
    stopped_at=MOMENT,
)


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    return a_world(tmp_path).checkpoints


def test_stored_record_is_read_back_as_it_was(store):
    stored = store.advance(RECORD, seen=None)
    assert stored == replace(RECORD, sequence=1)
    assert store.latest("studentdb") == stored
    assert store.latest("another") is None


def test_history_keeps_every_checkpoint_in_order(store):
    first = store.advance(RECORD, seen=None)
    second = store.advance(
        replace(RECORD, run_id="run-2", checkpoint=checkpoint_at(2000)), seen=first
    )
    assert list(store.history("studentdb")) == [first, second]
    assert store.latest("studentdb") == second


@pytest.mark.parametrize("nothing", ["", "  "])
def test_empty_checkpoint_is_refused(store, nothing):
    first = store.advance(RECORD, seen=None)
    with pytest.raises(LoadError, match="no recovery checkpoint for studentdb; the old one"):
        store.advance(replace(RECORD, run_id="run-2", checkpoint=nothing), seen=first)
    assert store.latest("studentdb") == first


def test_checkpoint_before_the_stored_one_is_refused(store):
    first = store.advance(RECORD, seen=None)
    behind = replace(RECORD, run_id="run-2", checkpoint=checkpoint_at(999))
    with pytest.raises(LoadError, match="before the stored one"):
        store.advance(behind, seen=first)
    assert store.advance(behind, seen=first, may_go_back=True).sequence == 2


def test_file_numbers_are_compared_as_numbers(store):
    first = store.advance(
        replace(RECORD, checkpoint=checkpoint_at(50, file="mysql-bin.999999")), seen=None
    )
    after = replace(RECORD, run_id="run-2", checkpoint=checkpoint_at(40, file="mysql-bin.1000000"))
    assert store.advance(after, seen=first).sequence == 2


def test_checkpoint_that_cannot_be_read_is_stored_byte_for_byte(store):
    first = store.advance(RECORD, seen=None)
    strange = "checkpoint:V2#who knows what"
    store.advance(replace(RECORD, run_id="run-2", checkpoint=strange), seen=first)
    assert store.latest("studentdb").checkpoint == strange


def test_repetition_by_the_same_run_changes_nothing(store):
    first = store.advance(RECORD, seen=None)
    assert store.advance(RECORD, seen=first) == first
    assert list(store.history("studentdb")) == [first]


def test_of_two_writers_that_saw_the_same_only_one_wins(store):
    first = store.advance(RECORD, seen=None)
    store.advance(replace(RECORD, run_id="run-2", checkpoint=checkpoint_at(2000)), seen=first)
    with pytest.raises(ConditionFailedError):
        store.advance(replace(RECORD, run_id="run-3", checkpoint=checkpoint_at(3000)), seen=first)
    with pytest.raises(ConditionFailedError):
        store.advance(replace(RECORD, run_id="run-4"), seen=None)
    assert store.latest("studentdb").run_id == "run-2"
