"""What Dagster loads: every pipeline of this deployment. Reads files, never the network."""

import logging

import dagster as dg

from dms_pipeline.deployments import deployment
from dms_pipeline.errors import ConfigError
from dms_pipeline.factory import build_broken_pipeline, build_pipeline
from dms_pipeline.pipeline_config import load_pipelines

logger = logging.getLogger(__name__)


def build_definitions() -> dg.Definitions:
    """Everything of this deployment. A pipeline that is wrong is there as a job that says so.

    Raises:
        ConfigError: if an environment variable is wrong, or there is no pipeline.
    """
    here = deployment()
    folder = load_pipelines(here.pipelines)
    broken = dict(folder.broken)
    loaded = []
    for pipeline in folder.pipelines:
        try:
            loaded.append(build_pipeline(pipeline))
        except ConfigError as error:
            broken[pipeline.name] = error
    for name, reason in broken.items():
        logger.error("the pipeline %s is not loaded: %s", name, reason)
    return dg.Definitions.merge(
        *loaded,
        *(build_broken_pipeline(name, reason) for name, reason in broken.items()),
        # The steps only wait for an API: a process for each would cost seconds and could outlive
        # its run.
        dg.Definitions(resources=here.resources(), executor=dg.in_process_executor),
    )


defs = build_definitions()
