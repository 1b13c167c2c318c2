"""How assessment runs and their individual assessments look in an answer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dms_pipeline.local_dms.control_plane.resources import AssessmentRun

_INDIVIDUAL_STATUS: Mapping[str, str] = {
    "starting": "pending",
    "provisioning": "pending",
    "running": "running",
    "cancelling": "cancelled",
}
_AFTERWARDS = "skipped"
_ECHOED = (
    "ServiceAccessRoleArn",
    "ResultLocationBucket",
    "ResultLocationFolder",
    "ResultEncryptionMode",
    "ResultKmsKeyArn",
)


@dataclass(frozen=True, slots=True)
class Individual:
    """One individual assessment of a run."""

    run: AssessmentRun
    name: str

    @property
    def status(self) -> str:
        return _INDIVIDUAL_STATUS.get(self.run.life.status, _AFTERWARDS)


def individuals_of(run: AssessmentRun) -> Iterator[Individual]:
    return (Individual(run, name) for name in run.individual)


def described_run(run: AssessmentRun, *, is_latest: bool) -> dict[str, Any]:
    statuses = [individual.status for individual in individuals_of(run)]
    skipped = statuses.count(_AFTERWARDS)
    counts = dict.fromkeys(("Passed", "Failed", "Error", "Warning", "Cancelled"), 0)
    return {
        "ReplicationTaskAssessmentRunArn": run.arn,
        "ReplicationTaskArn": run.task_arn,
        "Status": run.life.status,
        "ReplicationTaskAssessmentRunCreationDate": run.created_at,
        "AssessmentProgress": {
            "IndividualAssessmentCount": len(statuses),
            "IndividualAssessmentCompletedCount": skipped,
        },
        **{name: run.parameters.get(name) for name in _ECHOED},
        "AssessmentRunName": run.identifier,
        "IsLatestTaskAssessmentRun": is_latest,
        "ResultStatistic": {**counts, "Skipped": skipped} if skipped else None,
    }


def described_individual(individual: Individual) -> dict[str, Any]:
    run, status = individual.run, individual.status
    return {
        "ReplicationTaskIndividualAssessmentArn": run.individual[individual.name],
        "ReplicationTaskAssessmentRunArn": run.arn,
        "IndividualAssessmentName": individual.name,
        "Status": status,
        "ReplicationTaskIndividualAssessmentStartDate": (
            None if status == "pending" else run.created_at
        ),
    }
