"""The replication instance and the task of one pipeline, as one run finds, awaits and deletes them.

Both have identifiers that depend on the pipeline alone; the tag ``run_id`` tells whose they are.
What another run made is never touched, except by cleanup (``force``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from dms_pipeline.aws.dms import (
    Connection,
    DmsClient,
    Endpoint,
    ReplicationInstance,
    ReplicationTask,
)
from dms_pipeline.errors import LoadError
from dms_pipeline.waiting import Pacing, until_role_is_known, wait_until

T = TypeVar("T")

GONE = "gone"
WARM = "warm"
EXPIRES_AT = "expires_at"
"""The tag after whose moment (ISO 8601) the janitor may remove what a failed run left."""
TRANSITIONAL_TASK_STATES = frozenset(
    {"creating", "starting", "stopping", "modifying", "testing", "moving"}
)
_TRANSITIONAL_INSTANCE_STATES = frozenset(
    {"creating", "modifying", "upgrading", "rebooting", "maintenance"}
)
_TESTED = ("testing", "successful")


def identifier(pipeline: str) -> str:
    """The DMS identifier of a pipeline's instance, and of its task."""
    return f"dms-pipeline-{pipeline.replace('_', '-')}"


def expiry(moment: datetime, *, hours: int) -> dict[str, str]:
    """The tag of what may be removed so many hours after the moment."""
    return {EXPIRES_AT: (moment + timedelta(hours=hours)).isoformat(timespec="seconds")}


def leftover(pipeline: str, kind: str, owner: str) -> str:
    """What to say of an instance or task that another run left."""
    billed = " and is billed" if kind == "instance" else ""
    return (
        f"the replication {kind} {identifier(pipeline)} is left over from run "
        f"{owner or 'unknown'}{billed}; look into it, then remove it with "
        f"`dms-pipeline cleanup {pipeline}`"
    )


def required(endpoints: Mapping[str, Endpoint], name: str, kind: str) -> Endpoint:
    """The endpoint of that name; raises `LoadError` if there is none of that kind."""
    endpoint = endpoints.get(name)
    if endpoint is None:
        raise LoadError(f"there is no DMS endpoint {name}; create it, or correct pipeline.yaml")
    if endpoint.kind != kind:
        raise LoadError(f"the DMS endpoint {name} is a {endpoint.kind}, needed as {kind}")
    return endpoint


@dataclass(frozen=True, slots=True)
class DmsObjects:
    """What one run may see and do. ``keep_lease`` is called at every look while it waits."""

    pipeline: str
    run_id: str
    dms: DmsClient
    pacing: Pacing
    say: Callable[[str], None]
    keep_lease: Callable[[], None] = lambda: None
    force: bool = False

    @property
    def identifier(self) -> str:
        return identifier(self.pipeline)

    def instance(self) -> ReplicationInstance:
        """The instance; raises `LoadError` if it is not there."""
        return self.needed("instance", self.dms.find_instance(self.identifier))

    def task(self) -> ReplicationTask:
        """The task; raises `LoadError` if it is not there."""
        return self.needed("task", self.dms.find_task(self.identifier))

    def needed(self, kind: str, found: T | None) -> T:
        """What was found; raises `LoadError` if that is nothing."""
        if found is None:
            raise LoadError(
                f"the replication {kind} {self.identifier} was deleted while this run needed it"
            )
        return found

    def leftovers(self) -> list[str]:
        """What other runs left, in words. A warm instance without a task is no leftover."""
        task = self.dms.find_task(self.identifier)
        instance = self.dms.find_instance(self.identifier)
        found = []
        for kind, thing in (("task", task), ("instance", instance)):
            tags = self.dms.tags(thing.arn) if thing is not None else {"run_id": self.run_id}
            is_warm = kind == "instance" and task is None and tags.get("mode") == WARM
            if tags.get("run_id") != self.run_id and not is_warm:
                found.append(leftover(self.pipeline, kind, tags.get("run_id", "")))
        return found

    def adopt_instance(self, instance: ReplicationInstance, tags: Mapping[str, str]) -> None:
        """Raises `LoadError` unless the instance is this run's, or a warm one; takes it over."""
        present = self.dms.tags(instance.arn)
        if present.get("run_id") == self.run_id:
            return
        if present.get("mode") != WARM or self.dms.find_task(self.identifier) is not None:
            raise LoadError(leftover(self.pipeline, "instance", present.get("run_id", "")))
        self.dms.add_tags(instance.arn, tags)

    def adopt_task(self, task: ReplicationTask) -> None:
        """Raises `LoadError` unless the task is this run's."""
        self._refuse_foreign("task", task.arn)

    def delete_task(self) -> None:
        """Leaves no task, stopping it first where it still runs."""
        task = self.dms.find_task(self.identifier)
        if task is not None and task.status != "deleting":
            self._refuse_foreign("task", task.arn)
            if task.status in TRANSITIONAL_TASK_STATES:
                settled = self.await_task(lambda seen: seen not in TRANSITIONAL_TASK_STATES)
                task = settled or task
            if task.status == "running":
                self.dms.stop_task(task)
                self.await_task(
                    lambda seen: seen not in TRANSITIONAL_TASK_STATES and seen != "running"
                )
            self.dms.delete_task(task)
        self.await_task(lambda seen: seen == GONE)

    def delete_instance(self) -> None:
        """Leaves no instance; from here on nothing is billed."""
        instance = self.dms.find_instance(self.identifier)
        if instance is not None and instance.status != "deleting":
            self._refuse_foreign("instance", instance.arn)
            if instance.status in _TRANSITIONAL_INSTANCE_STATES:
                self.await_instance(lambda seen: seen not in _TRANSITIONAL_INSTANCE_STATES)
            self.dms.delete_instance(instance)
        self.await_instance(lambda seen: seen == GONE, is_billed=False)

    def await_instance(
        self, done: Callable[[str], bool], *, is_billed: bool = True
    ) -> ReplicationInstance | None:
        """The instance once ``done`` holds for its status; None if it is gone."""
        instance: ReplicationInstance | None = None

        def look() -> str:
            nonlocal instance
            self.keep_lease()
            instance = self.dms.find_instance(self.identifier)
            return instance.status if instance else GONE

        wait_until(
            f"the instance {self.identifier}",
            look,
            lambda seen: seen == GONE or done(seen),
            pacing=self.pacing,
            interval=partial(self.pacing.for_minutes, is_billed=is_billed),
            timeout_s=self.pacing.instance_timeout_s,
            say=self.say,
        )
        return instance

    def await_task(
        self, done: Callable[[str], bool], *, for_ever: bool = False, expected_s: float = 0.0
    ) -> ReplicationTask | None:
        """The task once ``done`` holds for its status; None if it is gone."""
        task: ReplicationTask | None = None

        def look() -> str:
            nonlocal task
            self.keep_lease()
            task = self.dms.find_task(self.identifier)
            return task.status if task else GONE

        wait_until(
            f"the task {self.identifier}",
            look,
            lambda seen: seen == GONE or done(seen),
            pacing=self.pacing,
            interval=partial(self.pacing.for_any_time, expected_s=expected_s),
            timeout_s=None if for_ever else self.pacing.task_timeout_s,
            say=self.say,
        )
        return task

    def test_connections(
        self, instance: ReplicationInstance, endpoints: Sequence[Endpoint], *, is_new: bool
    ) -> dict[str, str]:
        """Tests side by side the connections that were not tested yet, or failed.

        None was tested from an instance that ``is_new``.

        Returns:
            For each that fails the endpoint's identifier, and why it does.
        """
        tested: dict[str, Connection] = {}

        def statuses() -> dict[str, str]:
            nonlocal tested
            self.keep_lease()
            tested = self.dms.connections(instance)
            return {arn: tested[arn].status if arn in tested else "untested" for arn in arns}

        def look() -> str:
            pending = set(found := statuses().values()) - {"successful", "failed"}
            return "testing" if pending else "failed" if "failed" in found else "successful"

        arns = [endpoint.arn for endpoint in endpoints]
        seen = {} if is_new else statuses()
        untested = [arn for arn in arns if seen.get(arn) not in _TESTED]
        for endpoint in endpoints:
            if endpoint.arn in untested:
                self.with_role(partial(self.dms.test_connection, instance, endpoint))
        wait_until(
            f"the connection to {' and '.join(endpoint.identifier for endpoint in endpoints)}",
            look,
            lambda seen: seen != "testing",
            pacing=self.pacing,
            interval=self.pacing.for_any_time,
            timeout_s=self.pacing.task_timeout_s,
            say=self.say,
        )
        return {
            endpoint.identifier: tested[endpoint.arn].last_failure or "DMS gives no reason"
            for endpoint in endpoints
            if tested[endpoint.arn].status == "failed"
        }

    def with_role(self, act: Callable[[], T]) -> T:
        """Carries out a call for which DMS takes on an IAM role, which may be new."""
        return until_role_is_known(act, pacing=self.pacing, say=self.say)

    def _refuse_foreign(self, kind: str, arn: str) -> None:
        if self.force:
            return
        owner = self.dms.tags(arn).get("run_id", "")
        if owner != self.run_id:
            raise LoadError(leftover(self.pipeline, kind, owner))
