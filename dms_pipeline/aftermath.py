"""What happens after a run that failed, and to what such runs leave: the mail, deletion, expiry.

Used by the sensors, for runs that Dagster launches, and by the command line for its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from dms_pipeline.dms_objects import DmsObjects
from dms_pipeline.errors import DmsPipelineError
from dms_pipeline.pipeline_config import PipelineConfig
from dms_pipeline.report import (
    Mail,
    continued,
    deleted,
    expired_mail,
    failure_mail,
    remaining,
    unknown_left,
)
from dms_pipeline.resources.checkpoints import CheckpointsResource
from dms_pipeline.resources.dms import DmsResource
from dms_pipeline.resources.notifier import NotifierResource


@dataclass(frozen=True, slots=True)
class Aftermath:
    """One pipeline's objects on AWS, seen from outside of its runs."""

    pipeline: PipelineConfig
    dms: DmsResource
    checkpoints: CheckpointsResource
    notifier: NotifierResource
    say: Callable[[str], None]

    def failed(self, *, job: str, run_id: str, owner: str, reason: str, goes_on: str = "") -> None:
        """Deletes what the run left if the pipeline wants that, and mails what became of it.

        Args:
            job: the run's job.
            run_id: the run.
            owner: whose the instance, the task and the lease are.
            reason: why it failed, in words.
            goes_on: who continues the run, if anybody does. Then what it made is in use: it and
                the lease stay as they are.
        """
        try:
            left = self._left(self._objects(owner), goes_on)
        except DmsPipelineError as error:
            # The mail may be all that anybody sees of the failure; it is sent whatever else fails.
            left = unknown_left(self.pipeline.name, str(error))
        mail = failure_mail(
            pipeline=self.pipeline.name,
            job=job,
            run_id=run_id,
            reason=reason,
            left=left,
            link=self.notifier.link(run_id),
        )
        self._mail(mail)

    def clean_up(self) -> None:
        """Leaves no instance, no task and no lease, whoever made them. The checkpoint stays."""
        objects = self._objects("cleanup", force=True)
        objects.delete_task()
        objects.delete_instance()
        self.checkpoints.lease(self.pipeline.name, "cleanup").release(force=True)

    def remove_expired(self) -> bool:
        """Removes leftovers whose ``expires_at`` is over, and mails it; whether there were any.

        Nothing is touched while a run holds the lease.
        """
        objects = self._objects("janitor", force=True)
        expired = [
            f"{name}, made by run {tags.get('run_id', 'unknown')}"
            for name, tags in self._tagged(objects)
            if tags.get("expires_at") and _is_over(tags["expires_at"])
        ]
        lease = self.checkpoints.lease(self.pipeline.name, "janitor")
        if not expired or lease.holder() is not None:
            return False
        self.clean_up()
        self._mail(expired_mail(pipeline=self.pipeline.name, removed=expired))
        return True

    def _objects(self, run_id: str, *, force: bool = False) -> DmsObjects:
        return DmsObjects(
            pipeline=self.pipeline.name,
            run_id=run_id,
            dms=self.dms.client(),
            pacing=self.dms.pacing(),
            say=self.say,
            force=force,
        )

    def _left(self, objects: DmsObjects, goes_on: str) -> list[str]:
        """What becomes of what the run has left, and what to do about it, in words."""
        kept = self._kept(objects)
        if goes_on:
            return continued(goes_on, kept)
        delete = bool(kept) and self.pipeline.on_failure == "delete"
        if delete:
            objects.delete_task()
            objects.delete_instance()
        # What it left is guarded by its tags; the lease of a run that is over would only mislead.
        self.checkpoints.lease(self.pipeline.name, objects.run_id).end()
        return deleted(self.pipeline.name) if delete else remaining(self.pipeline.name, kept)

    def _kept(self, objects: DmsObjects) -> list[str]:
        """What the run has left, in words."""
        return [
            f"The {name} is kept for debugging and is billed until {_until(tags)}."
            for name, tags in self._tagged(objects)
            if tags.get("run_id") == objects.run_id
        ]

    def _tagged(self, objects: DmsObjects) -> list[tuple[str, dict[str, str]]]:
        """The task and the instance that are there, with their tags."""
        dms, identifier = objects.dms, objects.identifier
        task, instance = dms.find_task(identifier), dms.find_instance(identifier)
        found = []
        if task is not None:
            found.append((f"replication task {identifier} ({task.status})", dms.tags(task.arn)))
        if instance is not None:
            words = f"replication instance {identifier} ({instance.instance_class})"
            found.append((words, dms.tags(instance.arn)))
        return found

    def _mail(self, mail: Mail) -> None:
        self.notifier.notify(subject=mail.subject, message=mail.text)
        self.say(f"mailed: {mail.subject}")


def _until(tags: dict[str, str]) -> str:
    """When the billing of a leftover ends."""
    latest = tags.get("expires_at")
    return f"it is removed, at the latest {latest}" if latest else "it is removed"


def _is_over(moment: str) -> bool:
    try:
        return datetime.fromisoformat(moment) < datetime.now(UTC)
    except ValueError:
        # Somebody else's tag: not ours to judge.
        return False
