"""What happens after a run that failed, and to what such runs leave: the mail, deletion, expiry.

Used by the sensors, for runs that Dagster launches, and by the command line for its own.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from dms_pipeline.aws.dms import DmsClient
from dms_pipeline.dms_objects import EXPIRES_AT, DmsObjects, expiry, identifier
from dms_pipeline.errors import DmsPipelineError
from dms_pipeline.instance_choice import price_of
from dms_pipeline.pipeline_config import PipelineConfig
from dms_pipeline.report import (
    Mail,
    continued,
    deleted,
    expired_mail,
    failure_mail,
    remaining,
    remaining_after_cleanup,
    unknown_left,
)
from dms_pipeline.resources.checkpoints import CheckpointsResource
from dms_pipeline.resources.dms import DmsResource
from dms_pipeline.resources.notifier import NotifierResource


@dataclass(frozen=True, slots=True)
class _Leftover:
    """A task or an instance that is there: in words, and what it costs, also in words."""

    words: str
    arn: str
    tags: Mapping[str, str]
    costs: str = ""

    def kept(self) -> str:
        """That it is kept, what that costs, and when that ends."""
        latest = _expires_at(self.tags)
        at = f", at the latest {latest:%Y-%m-%d %H:%M %Z}" if latest else ""
        return f"The {self.words} is kept for debugging{self.costs} until it is removed{at}."


@dataclass(frozen=True, slots=True)
class Aftermath:
    """One pipeline's objects on AWS, seen from outside of its runs."""

    pipeline: PipelineConfig
    dms: DmsResource
    checkpoints: CheckpointsResource
    notifier: NotifierResource
    say: Callable[[str], None]

    def failed(self, *, job: str, run_id: str, owner: str, reason: str, goes_on: str = "") -> None:
        """Mails that a run failed, and what becomes of what it left.

        If the pipeline wants that deleted (``on_failure``), it expires at once, for the janitor.

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
        self._mail_failure(job, run_id, reason, left)

    def cleanup_failed(self, *, job: str, run_id: str, reason: str) -> None:
        """Mails that a clean-up failed: what it was to remove is billed on."""
        try:
            there = self._leftovers(self._objects("cleanup"))
            left = remaining_after_cleanup(self.pipeline.name, [each.kept() for each in there])
        except DmsPipelineError as error:
            left = unknown_left(self.pipeline.name, str(error))
        self._mail_failure(job, run_id, reason, left)

    def clean_up(self) -> None:
        """Leaves no instance, no task and no lease, whoever made them. The checkpoint stays."""
        objects = self._objects("cleanup", force=True)
        objects.delete_task()
        objects.delete_instance()
        self.checkpoints.lease(self.pipeline.name, "cleanup").release(force=True)

    def remove_expired(self) -> None:
        """Removes leftovers whose ``expires_at`` is over, and mails it unless that was announced.

        Nothing is touched while a run holds the lease: it may have taken them over.
        """
        expired = [
            f"{each.words}, made by run {each.tags.get('run_id', 'unknown')}"
            for each in self._leftovers(self._objects("janitor", force=True))
            if has_expired(each.tags)
        ]
        if not expired:
            self.say(f"nothing of {self.pipeline.name} has expired")
        elif self.is_leased():
            self.say(f"a run of {self.pipeline.name} holds the lease; nothing is removed")
        else:
            self.clean_up()
            if self.pipeline.on_failure == "keep":
                self._mail(expired_mail(pipeline=self.pipeline.name, removed=expired))

    def is_leased(self) -> bool:
        """Whether a run is under way."""
        return self.checkpoints.lease(self.pipeline.name, "janitor").holder() is not None

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
        own = [
            each for each in self._leftovers(objects) if each.tags.get("run_id") == objects.run_id
        ]
        if goes_on:
            return continued(goes_on, is_kept=bool(own))
        # What it left is guarded by its tags; the lease of a run that is over would only mislead.
        self.checkpoints.lease(self.pipeline.name, objects.run_id).end()
        is_kept = self.pipeline.on_failure == "keep"
        # The time to look into it begins with the failure, however long the run took till then.
        tags = expiry(datetime.now(UTC), hours=self.pipeline.keep_hours if is_kept else 0)
        for each in own:
            objects.dms.add_tags(each.arn, tags)
        if own and not is_kept:
            return deleted(self.pipeline.name)
        return remaining(self.pipeline.name, [replace(each, tags=tags).kept() for each in own])

    def _leftovers(self, objects: DmsObjects) -> list[_Leftover]:
        dms, identifier = objects.dms, objects.identifier
        task, instance = dms.find_task(identifier), dms.find_instance(identifier)
        found = []
        if task is not None:
            words = f"replication task {identifier} ({task.status})"
            found.append(_Leftover(words, task.arn, dms.tags(task.arn)))
        if instance is not None:
            words = f"replication instance {identifier} ({instance.instance_class})"
            price = price_of(self.pipeline.instance, instance.instance_class)
            costs = " and billed" if price is None else f" and billed, {price:g} USD an hour,"
            found.append(_Leftover(words, instance.arn, dms.tags(instance.arn), costs))
        return found

    def _mail_failure(self, job: str, run_id: str, reason: str, left: list[str]) -> None:
        mail = failure_mail(
            pipeline=self.pipeline.name,
            job=job,
            run_id=run_id,
            reason=reason,
            left=left,
            link=self.notifier.link(run_id),
        )
        self._mail(mail)

    def _mail(self, mail: Mail) -> None:
        topic = self.pipeline.notification_topic
        self.notifier.notify(subject=mail.subject, message=mail.text, topic=topic)
        self.say(f"mailed: {mail.subject}")


def expired(dms: DmsClient, pipelines: Iterable[str]) -> dict[str, str]:
    """Which of the pipelines have leftovers that have expired, and since when, by their tags.

    Two calls for all of them, and one for each instance or task that is there.
    """
    names = {identifier(pipeline): pipeline for pipeline in pipelines}
    there = [(task.identifier, task.arn) for task in dms.tasks()]
    there += [(instance.identifier, instance.arn) for instance in dms.instances()]
    found: dict[str, str] = {}
    for name, arn in there:
        if name in names and has_expired(tags := dms.tags(arn)):
            found[names[name]] = tags[EXPIRES_AT]
    return found


def has_expired(tags: Mapping[str, str]) -> bool:
    moment = _expires_at(tags)
    return moment is not None and moment < datetime.now(UTC)


def _expires_at(tags: Mapping[str, str]) -> datetime | None:
    try:
        moment = datetime.fromisoformat(tags.get(EXPIRES_AT, ""))
    except ValueError:
        # Not ours to judge: no such tag, or somebody else's.
        return None
    return moment if moment.tzinfo else None
