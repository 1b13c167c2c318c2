"""All that the steps of a load work with, as one resource."""

import dagster as dg
from pydantic import PrivateAttr

from dms_pipeline.load import Seen
from dms_pipeline.resources.checkpoints import CheckpointsResource
from dms_pipeline.resources.dms import DmsResource
from dms_pipeline.resources.leases import Lease
from dms_pipeline.resources.load_metrics import LoadMetricsResource
from dms_pipeline.resources.notifier import NotifierResource
from dms_pipeline.resources.source import SourceResource
from dms_pipeline.resources.target import TargetResource


class LoadResources(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The outside systems of a load, and what its steps in this process know of them."""

    dms: dg.ResourceDependency[DmsResource]
    checkpoints: dg.ResourceDependency[CheckpointsResource]
    load_metrics: dg.ResourceDependency[LoadMetricsResource]
    notifier: dg.ResourceDependency[NotifierResource]
    source: dg.ResourceDependency[SourceResource]
    target: dg.ResourceDependency[TargetResource]
    _known: dict[tuple[str, str], tuple[Lease, Seen]] = PrivateAttr(default_factory=dict)

    def of_run(self, pipeline: str, run_id: str) -> tuple[Lease, Seen]:
        """The same for all steps of a run that Dagster executes in one process."""
        if (pipeline, run_id) not in self._known:
            self._known[pipeline, run_id] = self.checkpoints.lease(pipeline, run_id), Seen()
        return self._known[pipeline, run_id]
