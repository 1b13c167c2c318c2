"""After a failed run: what is mailed, what is deleted, and what the janitor removes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client

from dms_pipeline.aftermath import Aftermath, expired, has_expired
from dms_pipeline_tests.a_pipeline import NAME, Mailbox, Resources, World, a_world


@pytest.fixture
def world(tmp_path: Path) -> World:
    return a_world(tmp_path)


def aftermath(world: World, **changes: Any) -> tuple[Aftermath, Mailbox]:
    mailbox, resources = Mailbox(), Resources(world)
    pipeline = replace(world.pipeline, **changes)
    after: Any = Aftermath(pipeline, resources, resources, mailbox, world.said.append)  # type: ignore[arg-type]
    return after, mailbox


def fail(after: Aftermath, owner: str = "run-1") -> None:
    after.failed(job="studentdb_incremental_load", run_id=owner, owner=owner, reason="no disk")


def test_failed_run_is_mailed_with_what_it_left_and_how_to_remove_it(world):
    world.prepare("run-1")
    after, mailbox = aftermath(world)
    fail(after)
    [(subject, text)] = mailbox.mails
    assert subject == "studentdb: studentdb_incremental_load failed"
    for words in (
        "no disk",
        f"replication task {NAME}",
        f"instance {NAME}",
        "cleanup studentdb",
        "http://ui/runs/",
    ):
        assert words in text
    assert world.dms.find_instance(NAME) is not None


def test_on_failure_delete_lets_what_was_left_expire_at_once_and_says_so(world):
    world.prepare("run-1")
    after, mailbox = aftermath(world, on_failure="delete")
    fail(after)
    assert list(expired(world.dms, ["studentdb", "shop"])) == ["studentdb"]
    assert world.lease("anybody").holder() is None
    [(_, text)] = mailbox.mails
    assert "is being deleted (on_failure: delete)" in text
    after.remove_expired()
    assert world.dms.find_instance(NAME) is None
    assert len(mailbox.mails) == 1


def test_what_a_failed_run_left_is_kept_for_its_time_from_the_failure_on(world):
    world.prepare("run-1")
    arn = world.dms.find_instance(NAME).arn
    world.dms.add_tags(arn, {"expires_at": "2020-01-01T00:00:00+00:00"})
    instance = world.pipeline.instance.model_copy(update={"price_per_hour_usd": 0.07})
    after, mailbox = aftermath(world, keep_hours=3, instance=instance)
    fail(after)
    expires = datetime.fromisoformat(world.dms.tags(arn)["expires_at"])
    assert timedelta(hours=2.9) < expires - datetime.now(UTC) <= timedelta(hours=3)
    mail = mailbox.mails[0][1]
    assert f"at the latest {expires:%Y-%m-%d %H:%M} UTC." in mail
    assert "(dms.t3.medium) is kept for debugging and billed, 0.07 USD an hour, until" in mail


def test_pipeline_with_a_topic_of_its_own_is_mailed_there(world):
    for topic in (None, "team-a"):
        after, mailbox = aftermath(world, notification_topic=topic)
        fail(after)
        assert mailbox.topics == [topic]


def test_failure_of_one_run_touches_nothing_of_another(world):
    world.prepare("run-1")
    after, mailbox = aftermath(world, on_failure="delete")
    fail(after, owner="run-2")
    assert world.dms.find_instance(NAME) is not None
    assert world.lease("anybody").holder() is not None
    assert "Nothing of it is left on AWS" in mailbox.mails[0][1]


def test_run_that_made_nothing_gives_its_lease_back(world):
    world.lease("run-1").take()
    after, _ = aftermath(world)
    fail(after)
    assert world.lease("anybody").holder() is None


def test_cleanup_removes_everything_but_the_checkpoint(world):
    world.run("run-1")
    checkpoint = world.checkpoints.latest("studentdb")
    world.prepare("run-2", cdc=True)
    after, _ = aftermath(world)
    after.clean_up()
    after.clean_up()
    assert world.dms.find_task(NAME) is None
    assert world.dms.find_instance(NAME) is None
    assert world.lease("anybody").holder() is None
    assert world.checkpoints.latest("studentdb") == checkpoint


def test_janitor_removes_only_what_has_expired_and_mails_it(world):
    load = world.prepare("run-1")
    load.lease.release()
    after, mailbox = aftermath(world)
    after.remove_expired()
    assert not expired(world.dms, ["studentdb"])
    instance = world.dms.find_instance(NAME)
    world.dms.add_tags(instance.arn, {"expires_at": "2020-01-01T00:00:00+00:00"})
    assert list(expired(world.dms, ["studentdb"])) == ["studentdb"]
    after.remove_expired()
    assert world.dms.find_instance(NAME) is None
    assert mailbox.mails[0][0] == "studentdb: expired leftovers removed"
    assert "made by run run-1" in mailbox.mails[0][1]


def test_janitor_touches_nothing_while_a_run_holds_the_lease(world):
    world.prepare("run-1")
    instance = world.dms.find_instance(NAME)
    world.dms.add_tags(instance.arn, {"expires_at": "2020-01-01T00:00:00+00:00"})
    after, _ = aftermath(world)
    after.remove_expired()
    assert world.dms.find_instance(NAME) is not None


def test_run_that_goes_on_is_mailed_and_keeps_what_it_made_and_its_lease(world):
    world.prepare("run-1")
    after, mailbox = aftermath(world, on_failure="delete")
    after.failed(job="j", run_id="run-1", owner="run-1", reason="x", goes_on="Dagster retries it.")
    assert world.dms.find_task(NAME) is not None
    assert world.dms.find_instance(NAME) is not None
    assert world.lease("anybody").holder().run_id == "run-1"
    assert "Dagster retries it. It takes over" in mailbox.mails[0][1]


def test_failure_is_mailed_also_when_dms_does_not_answer(world):
    world.prepare("run-1")
    after, mailbox = aftermath(world)
    expired = {"kind": "request-refused", "code": "ExpiredTokenException"}
    assert Client(world.app).put("/_faults", json=[expired]).status_code == 200
    fail(after)
    [(_, text)] = mailbox.mails
    for words in ("no disk", "It may have left", "ExpiredTokenException", "cleanup studentdb"):
        assert words in text


def test_clean_up_that_failed_is_mailed_with_what_is_still_billed(world):
    world.prepare("run-1")
    after, mailbox = aftermath(world)
    after.cleanup_failed(job="studentdb_cleanup", run_id="run-2", reason="access denied")
    [(subject, text)] = mailbox.mails
    assert subject == "studentdb: studentdb_cleanup failed"
    for words in (
        "access denied",
        f"replication instance {NAME}",
        "http://ui/runs/run-2",
        "repeat it: `dms-pipeline",
    ):
        assert words in text


def test_tag_that_is_no_moment_never_expires():
    assert not has_expired({})
    assert not has_expired({"expires_at": "never"})
    assert not has_expired({"expires_at": "2020-01-01T00:00:00"})
    assert has_expired({"expires_at": "2020-01-01T00:00:00+00:00"})
