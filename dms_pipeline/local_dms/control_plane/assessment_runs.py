"""Premigration assessment runs: their states without their content.

All individual assessments end as `skipped`, and therefore a run as `warning`, which is what the
service model says of a run whose assessments were all skipped. Nothing is written to the bucket.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from dms_pipeline.local_dms.control_plane.assessment_catalogue import applicable_assessments
from dms_pipeline.local_dms.control_plane.assessment_run_descriptions import (
    Individual,
    described_individual,
    described_run,
    individuals_of,
)
from dms_pipeline.local_dms.control_plane.faults import (
    already_exists,
    invalid_combination,
    invalid_state,
    invalid_value,
)
from dms_pipeline.local_dms.control_plane.identifiers import tags_of
from dms_pipeline.local_dms.control_plane.lifecycle import GONE, Phase
from dms_pipeline.local_dms.control_plane.listing import filtered, page
from dms_pipeline.local_dms.control_plane.protocol import Operation, Request
from dms_pipeline.local_dms.control_plane.registry import Registry
from dms_pipeline.local_dms.control_plane.replication_tasks import SETTLED, WHAT, find_task
from dms_pipeline.local_dms.control_plane.resources import (
    AssessmentRun,
    ReplicationTask,
    new_arn,
)
from dms_pipeline.local_dms.control_plane.timing import Timing

RUN = "Assessment run"
_UNDER_WAY = ("starting", "provisioning", "running")
_ENCRYPTIONS = ("SSE_S3", "SSE_KMS")


class AssessmentRuns:
    """The operations on assessment runs."""

    def __init__(self, registry: Registry, timing: Timing) -> None:
        """Work on the runs of `registry`."""
        self._registry = registry
        self._timing = timing

    def operations(self) -> Mapping[str, Operation]:
        return {
            "StartReplicationTaskAssessmentRun": self.start,
            "CancelReplicationTaskAssessmentRun": self.cancel,
            "DeleteReplicationTaskAssessmentRun": self.delete,
            "DescribeReplicationTaskAssessmentRuns": self.describe,
            "DescribeReplicationTaskIndividualAssessments": self.describe_individual,
        }

    def start(self, request: Request) -> dict[str, Any]:
        params = request.params
        task = find_task(self._registry, params["ReplicationTaskArn"])
        name = params["AssessmentRunName"]
        for other in self._of(task):
            if other.identifier == name:
                raise already_exists(f"{RUN} {name} already exists.", other.arn)
        chosen = _chosen(task, params)
        if params.get("ResultEncryptionMode", "SSE_S3") not in _ENCRYPTIONS:
            raise invalid_value(f"ResultEncryptionMode must be one of {', '.join(_ENCRYPTIONS)}.")
        if task.life.status not in SETTLED:
            raise invalid_state(
                f"{WHAT} {task.identifier} cannot be assessed, it is {task.life.status}."
            )
        phases = [self._timing.phase("assessment", s, name) for s in _UNDER_WAY]
        run = AssessmentRun(
            arn=new_arn("assessment-run", request.region),
            region=request.region,
            identifier=name,
            created_at=self._registry.clock(),
            life=self._registry.begin(*phases, Phase("warning")),
            task_arn=task.arn,
            parameters={k: v for k, v in params.items() if k != "Tags"},
            individual={
                assessment: new_arn("individual-assessment", request.region)
                for assessment in chosen
            },
            tags=tags_of(params),
        )
        self._registry.add(run)
        testing = self._timing.phase("task", "testing", task.identifier)
        life = self._registry.begin(testing, Phase(task.life.status))
        self._registry.save(replace(task, life=life))
        return {"ReplicationTaskAssessmentRun": self._described(run)}

    def cancel(self, request: Request) -> dict[str, Any]:
        run = self._find(request)
        if run.life.status not in _UNDER_WAY:
            raise invalid_state(
                f"{RUN} {run.identifier} cannot be cancelled, it is {run.life.status}."
            )
        # The service model has no state behind this one for a run that was cancelled.
        cancelled = replace(run, life=self._registry.begin(Phase("cancelling")))
        task = self._registry.find(ReplicationTask, run.task_arn)
        self._registry.save(cancelled)
        if task and task.life.status == "testing":
            life = self._registry.begin(Phase(task.life.final_status))
            self._registry.save(replace(task, life=life))
        return {"ReplicationTaskAssessmentRun": self._described(cancelled)}

    def delete(self, request: Request) -> dict[str, Any]:
        run = self._find(request)
        if run.life.status in (*_UNDER_WAY, "deleting"):
            raise invalid_state(
                f"{RUN} {run.identifier} cannot be deleted, it is {run.life.status}."
            )
        deleting = self._timing.phase("assessment", "deleting", run.identifier)
        saved = replace(run, life=self._registry.begin(deleting, Phase(GONE)))
        return {"ReplicationTaskAssessmentRun": self._described(self._registry.save(saved))}

    def describe(self, request: Request) -> dict[str, Any]:
        runs = filtered(
            self._registry.all(AssessmentRun, request.region),
            request.params,
            by={
                "replication-task-assessment-run-arn": lambda r: [r.arn],
                "replication-task-arn": lambda r: [r.task_arn],
                "replication-instance-arn": self._instances_of,
                "status": lambda r: [r.life.status],
            },
            what=RUN,
        )
        shown, marker = page(runs, request.params, key=lambda r: f"{r.created_at:020.6f}{r.arn}")
        self._registry.show(shown)
        described = [self._described(run) for run in shown]
        return {"ReplicationTaskAssessmentRuns": described, "Marker": marker}

    def describe_individual(self, request: Request) -> dict[str, Any]:
        runs = self._registry.all(AssessmentRun, request.region)
        individuals = filtered(
            [individual for run in runs for individual in individuals_of(run)],
            request.params,
            by={
                "replication-task-assessment-run-arn": lambda i: [i.run.arn],
                "replication-task-arn": lambda i: [i.run.task_arn],
                "status": lambda i: [i.status],
            },
            what="Individual assessment",
        )
        shown, marker = page(individuals, request.params, key=_order)
        self._registry.show({individual.run.arn: individual.run for individual in shown}.values())
        return {
            "ReplicationTaskIndividualAssessments": [described_individual(i) for i in shown],
            "Marker": marker,
        }

    def _of(self, task: ReplicationTask) -> Iterator[AssessmentRun]:
        return (r for r in self._registry.all(AssessmentRun) if r.task_arn == task.arn)

    def _instances_of(self, run: AssessmentRun) -> list[str]:
        task = self._registry.find(ReplicationTask, run.task_arn)
        return [task.instance_arn] if task else []

    def _find(self, request: Request) -> AssessmentRun:
        arn = request.params["ReplicationTaskAssessmentRunArn"]
        return self._registry.get(AssessmentRun, arn, RUN)

    def _described(self, run: AssessmentRun) -> dict[str, Any]:
        task = find_task(self._registry, run.task_arn)
        latest = max(self._of(task), key=lambda other: (other.created_at, other.arn))
        return described_run(run, is_latest=latest.arn == run.arn)


def _order(individual: Individual) -> str:
    run = individual.run
    return f"{run.created_at:020.6f}{run.arn} {individual.name}"


def _chosen(task: ReplicationTask, params: Mapping[str, Any]) -> list[str]:
    applicable = applicable_assessments(task.migration_type)
    include, exclude = params.get("IncludeOnly", []), params.get("Exclude", [])
    if include and exclude:
        raise invalid_combination("IncludeOnly and Exclude cannot both be given.")
    for name in (*include, *exclude):
        if name not in applicable:
            raise invalid_value(
                f"{name} is not an individual assessment for tasks of type {task.migration_type}."
            )
    chosen = [n for n in applicable if (n in include or not include) and n not in exclude]
    if not chosen:
        raise invalid_combination("Exclude leaves no individual assessment to run.")
    return chosen
