"""What Dagster loads: every pipeline of this deployment. Reads files, never the network."""

import logging

import dagster as dg

from dms_pipeline.loading import collector_paused

with collector_paused():
    from dms_pipeline.deployments import Deployment, deployment
    from dms_pipeline.errors import ConfigError
    from dms_pipeline.factory import build_broken_pipeline, build_pipeline
    from dms_pipeline.pipeline_config import load_pipelines
    from dms_pipeline.sensors import build_sensors

logger = logging.getLogger(__name__)


def build_definitions(here: Deployment) -> dg.Definitions:
    """Everything of a deployment. A pipeline that is wrong is there as a job that says so.

    Raises:
        ConfigError: if there is no pipeline.
    """
    folder = load_pipelines(here.pipelines)
    # The steps only wait for an API: a process for each would cost seconds and could outlive
    # its run.
    shared = dg.Definitions(
        resources=here.resources(folder.pipelines), executor=dg.in_process_executor
    )
    broken = {name: str(error) for name, error in folder.broken.items()}
    loaded = []
    for pipeline in folder.pipelines:
        try:
            loaded.append(build_pipeline(pipeline).resolved(shared))
        except ConfigError as error:
            broken[pipeline.name] = str(error)
    for name, reason in broken.items():
        logger.error("the pipeline %s is not loaded: %s", name, reason)
    return dg.Definitions.merge(
        *(each.definitions for each in loaded),
        *(build_broken_pipeline(name, reason) for name, reason in broken.items()),
        dg.Definitions(sensors=build_sensors(loaded, broken)),
        shared,
    )


def _loaded() -> dg.Definitions:
    with collector_paused():
        return build_definitions(deployment())


defs = _loaded()
