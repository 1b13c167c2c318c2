"""What Dagster loads: every pipeline of this deployment. Reads files, never the network."""

import dagster as dg

from dms_pipeline.deployments import deployment
from dms_pipeline.factory import build_pipeline
from dms_pipeline.pipeline_config import load_pipelines


def build_definitions() -> dg.Definitions:
    """Everything of this deployment.

    Raises:
        ConfigError: if a pipeline or an environment variable is wrong.
    """
    here = deployment()
    return dg.Definitions.merge(
        *(build_pipeline(pipeline) for pipeline in load_pipelines(here.pipelines)),
        # The steps only wait for an API: a process for each would cost seconds and could outlive
        # its run.
        dg.Definitions(resources=here.resources(), executor=dg.in_process_executor),
    )


defs = build_definitions()
