"""A pipeline's tables as assets: one graph-backed multi-asset whose ops are the steps of a load."""

from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg

from dms_pipeline.ops import LoadConfig, build_ops
from dms_pipeline.pipeline_config import PipelineConfig, ReplicatedTable
from dms_pipeline.translator import slug

# The steps hand nothing on, and there is no value to store: the tables themselves are the result.
_START, _DONE = dg.In(dg.Nothing), dg.Out(dg.Nothing)


def build_tables(
    pipeline: PipelineConfig, specs: Mapping[ReplicatedTable, dg.AssetSpec]
) -> dg.AssetsDefinition:
    """All tables of a pipeline: they share one checkpoint, so they are loaded together."""
    outputs = {slug(table.target): spec for table, spec in specs.items()}
    steps = [
        _op(
            pipeline,
            function,
            dict.fromkeys(outputs, _DONE) if function.__name__ == "publish_tables" else None,
        )
        for function in build_ops(pipeline, specs)
    ]

    @dg.config_mapping
    def load_config(config: LoadConfig) -> dict[str, Any]:
        """One flat form in the launchpad for the two steps that ask for it."""
        given = {"migration_type": config.migration_type.name, "reload": config.reload}
        return {"preflight": {"config": given}, "create_task": {"config": given}}

    @dg.graph(
        name=pipeline.name,
        description=f"One load of {pipeline.name} through AWS DMS.",
        config=load_config,
        out={name: dg.GraphOut() for name in outputs},
    )
    def load() -> Any:
        done: Any = None
        for step in steps:
            done = step() if done is None else step(start=done)
        if len(outputs) == 1:
            return {next(iter(outputs)): done}
        return {name: getattr(done, name) for name in outputs}

    # Unlike the graph decorators, this constructor lets an asset inside a graph depend on another
    # asset.
    return dg.AssetsDefinition(
        node_def=load,
        keys_by_input_name={},
        keys_by_output_name={name: spec.key for name, spec in outputs.items()},
        specs=list(specs.values()),
        can_subset=False,
    )


def _op(
    pipeline: PipelineConfig, function: Callable[..., Any], outs: dict[str, dg.Out] | None
) -> Any:
    """An op under a name of its own: two pipelines may not define one name. Short in the UI."""
    step = function.__name__
    is_first = step == "preflight"
    definition = dg.op(
        name=f"{pipeline.name}__{step}",
        ins={} if is_first else {"start": _START},
        out=outs or _DONE,
        pool=f"dms_{pipeline.name}",
    )(function)
    return definition.alias(step)
