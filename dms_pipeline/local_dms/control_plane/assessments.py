"""Task assessments without their content: the states and answers of AWS, and nothing is examined.

No result says that something was found to be in order: AWS's "No issues found" is never shown.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from dms_pipeline.local_dms.control_plane.assessment_catalogue import applicable_assessments
from dms_pipeline.local_dms.control_plane.endpoints import ENGINES
from dms_pipeline.local_dms.control_plane.faults import (
    invalid_combination,
    invalid_state,
    invalid_value,
)
from dms_pipeline.local_dms.control_plane.lifecycle import Phase
from dms_pipeline.local_dms.control_plane.listing import page
from dms_pipeline.local_dms.control_plane.protocol import Operation, Request
from dms_pipeline.local_dms.control_plane.registry import Registry
from dms_pipeline.local_dms.control_plane.replication_instances import WHAT as INSTANCE
from dms_pipeline.local_dms.control_plane.replication_tasks import (
    MIGRATION_TYPES,
    WHAT,
    find_task,
)
from dms_pipeline.local_dms.control_plane.resources import (
    ReplicationConfig,
    ReplicationInstance,
    ReplicationTask,
)
from dms_pipeline.local_dms.control_plane.task_descriptions import described_task
from dms_pipeline.local_dms.control_plane.task_starts import check_tested
from dms_pipeline.local_dms.control_plane.timing import Timing

_STATUS = "Not assessed"
_MODELLED = ("ReplicationInstanceArn", "SourceEngineName", "TargetEngineName", "MigrationType")


class Assessments:
    """The operations on assessments of the older kind, and the names of the newer ones."""

    def __init__(self, registry: Registry, timing: Timing) -> None:
        """Work on the tasks of `registry`."""
        self._registry = registry
        self._timing = timing

    def operations(self) -> Mapping[str, Operation]:
        return {
            "StartReplicationTaskAssessment": self.start,
            "DescribeReplicationTaskAssessmentResults": self.describe_results,
            "DescribeApplicableIndividualAssessments": self.describe_applicable,
        }

    def start(self, request: Request) -> dict[str, Any]:
        task = find_task(self._registry, request.params["ReplicationTaskArn"])
        # The service model: stopped, and with successful connections to source and target.
        if task.life.status != "stopped":
            raise invalid_state(
                f"{WHAT} {task.identifier} must be stopped to be assessed, it is "
                f"{task.life.status}."
            )
        check_tested(self._registry, task, purpose="assessing")
        testing = self._timing.phase("task", "testing", task.identifier)
        life = self._registry.begin(testing, Phase("stopped"))
        saved = self._registry.save(replace(task, life=life, assessed_at=life.entered_at))
        return {"ReplicationTask": described_task(saved)}

    def describe_results(self, request: Request) -> dict[str, Any]:
        arn = request.params.get("ReplicationTaskArn")
        if arn is not None:
            task = find_task(self._registry, arn)
            results = [_result(task, with_details=True)] if _is_assessed(task) else []
            return {"ReplicationTaskAssessmentResults": results}
        tasks = self._registry.all(ReplicationTask, request.region)
        assessed = [task for task in tasks if _is_assessed(task)]
        shown, marker = page(assessed, request.params, key=lambda task: task.arn)
        return {
            "ReplicationTaskAssessmentResults": [
                _result(task, with_details=False) for task in shown
            ],
            "Marker": marker,
        }

    def describe_applicable(self, request: Request) -> dict[str, Any]:
        names = applicable_assessments(self._migration_type(request.params))
        shown, marker = page(names, request.params, key=str)
        return {"IndividualAssessmentNames": shown, "Marker": marker}

    def _migration_type(self, params: Mapping[str, Any]) -> str:
        if "ReplicationTaskArn" in params:
            return find_task(self._registry, params["ReplicationTaskArn"]).migration_type
        if "ReplicationConfigArn" in params:
            arn = params["ReplicationConfigArn"]
            config = self._registry.get(ReplicationConfig, arn, "Replication config")
            return config.replication_type
        missing = [name for name in _MODELLED if name not in params]
        if missing:
            raise invalid_combination(
                f"Give ReplicationTaskArn, ReplicationConfigArn, or all of {', '.join(_MODELLED)}."
            )
        self._registry.get(ReplicationInstance, params["ReplicationInstanceArn"], INSTANCE)
        for kind, member in (("source", "SourceEngineName"), ("target", "TargetEngineName")):
            if params[member] not in ENGINES[kind]:
                raise invalid_value(f"{member} must be one of {', '.join(ENGINES[kind])}.")
        migration_type: str = params["MigrationType"]
        if migration_type not in MIGRATION_TYPES:
            raise invalid_value(f"MigrationType must be one of {', '.join(MIGRATION_TYPES)}.")
        return migration_type


def _is_assessed(task: ReplicationTask) -> bool:
    under_way = task.life.status == "testing" and task.life.entered_at == task.assessed_at
    return task.assessed_at is not None and not under_way


def _result(task: ReplicationTask, *, with_details: bool) -> dict[str, Any]:
    assert task.assessed_at is not None
    moment = datetime.fromtimestamp(task.assessed_at, UTC)
    details = {"status": _STATUS, "reason": "The local DMS examines nothing in an assessment."}
    return {
        "ReplicationTaskIdentifier": task.identifier,
        "ReplicationTaskArn": task.arn,
        "ReplicationTaskLastAssessmentDate": task.assessed_at,
        "AssessmentStatus": _STATUS,
        "AssessmentResultsFile": f"{task.identifier}/{moment:%Y-%m-%d-%H-%M}",
        "AssessmentResults": json.dumps(details) if with_details else None,
    }
