"""A pipeline's tables as assets: one graph-backed multi-asset whose ops are the steps of a load."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from dms_pipeline.ops import LOAD, STEPS, LoadConfig, build_publish_tables
from dms_pipeline.pipeline_config import PipelineConfig, ReplicatedTable
from dms_pipeline.translator import slug


def build_tables(
    pipeline: PipelineConfig,
    load_spec: dg.AssetSpec,
    specs: Mapping[ReplicatedTable, dg.AssetSpec],
) -> dg.AssetsDefinition:
    """All tables of a pipeline: they share one checkpoint, so they are loaded together."""
    outputs = {slug(table.target): (table, spec) for table, spec in specs.items()}
    pool = f"dms_{pipeline.name}"
    # The UI shows the pool of the op that is the pipeline's own. Those that all share have a tag.
    publish_tables = build_publish_tables(pipeline, load_spec, outputs, pool=pool)
    in_pool = {"dagster/concurrency_key": pool}

    @dg.graph(
        name=pipeline.name,
        description=f"One load of {pipeline.name} through AWS DMS.",
        config=_load_config,
        out={name: dg.GraphOut() for name in (LOAD, *outputs)},
    )
    def load() -> Any:
        done: Any = None
        for step in (*STEPS, publish_tables.alias("publish_tables")):
            in_order = {} if done is None else {"start": done}
            done = step.tag(in_pool)(**in_order)
        return {name: getattr(done, name) for name in (LOAD, *outputs)}

    # Unlike the graph decorators, this constructor lets an asset inside a graph depend on another
    # asset.
    return dg.AssetsDefinition(
        node_def=load,
        keys_by_input_name={},
        keys_by_output_name={
            LOAD: load_spec.key,
            **{name: spec.key for name, (_, spec) in outputs.items()},
        },
        specs=[load_spec, *specs.values()],
        can_subset=False,
    )


@dg.config_mapping
def _load_config(config: LoadConfig) -> dict[str, Any]:
    """One flat form in the launchpad."""
    return {"preflight": {"config": {"reload": config.reload}}}
