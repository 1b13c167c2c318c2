"""All that the steps of a load work with, as one resource."""

import dagster as dg

from dms_pipeline.resources.checkpoints import CheckpointsResource
from dms_pipeline.resources.dms import DmsResource
from dms_pipeline.resources.load_metrics import LoadMetricsResource
from dms_pipeline.resources.notifier import NotifierResource
from dms_pipeline.resources.source import SourceResource
from dms_pipeline.resources.target import TargetResource


class LoadResources(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The outside systems of a load."""

    dms: dg.ResourceDependency[DmsResource]
    checkpoints: dg.ResourceDependency[CheckpointsResource]
    load_metrics: dg.ResourceDependency[LoadMetricsResource]
    notifier: dg.ResourceDependency[NotifierResource]
    source: dg.ResourceDependency[SourceResource]
    target: dg.ResourceDependency[TargetResource]
