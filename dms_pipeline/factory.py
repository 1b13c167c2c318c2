"""One pipeline's configuration -> everything Dagster shows of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

import dagster as dg

from dms_pipeline.assets import build_tables
from dms_pipeline.automation import (
    PIPELINE_TAG,
    build_cleanup_job,
    build_schedule,
)
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.checks import build_checks
from dms_pipeline.load_checks import build_load_checks
from dms_pipeline.ops import LoadKind, job_name
from dms_pipeline.pipeline_config import PipelineConfig
from dms_pipeline.translator import TableTranslator, refuse_collisions

# A run that hangs would hold its pipeline's pool for ever; run monitoring ends it after a day.
_MAX_RUNTIME_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class PipelineDefinitions:
    """What Dagster shows of one pipeline.

    Attributes:
        config: the pipeline.
        load: the asset of its loads.
        tables: its assets by the names of the source tables.
        cleanup: its clean-up job, which is one of the definitions.
        definitions: all but resources and executor, which pipelines share.
    """

    config: PipelineConfig
    load: dg.AssetKey
    tables: Mapping[TableId, dg.AssetKey]
    cleanup: dg.JobDefinition
    definitions: dg.Definitions

    def resolved(self, shared: dg.Definitions) -> "PipelineDefinitions":
        """The same with asset jobs that are resolved against this pipeline's tables alone.

        Left to the code location, Dagster walks all tables of all pipelines for each asset job:
        the time to load it would grow with the square of the number of pipelines.
        """
        given = self.definitions
        replicated = [each for each in given.assets or () if isinstance(each, dg.AssetsDefinition)]
        needed = dg.Definitions(assets=replicated, asset_checks=given.asset_checks, jobs=given.jobs)
        alone = dg.Definitions.merge(needed, shared)
        jobs = [alone.resolve_job_def(job.name) for job in given.jobs or ()]
        [cleanup] = (job for job in jobs if job.name == self.cleanup.name)
        definitions = dg.Definitions(
            assets=given.assets,
            asset_checks=given.asset_checks,
            schedules=given.schedules,
            jobs=jobs,
        )
        return replace(self, cleanup=cleanup, definitions=definitions)


def build_pipeline(
    pipeline: PipelineConfig, translator: TableTranslator | None = None
) -> PipelineDefinitions:
    """Assets, checks, jobs and schedule of one pipeline.

    Raises:
        ConfigError: if two tables would appear as the same asset.
    """
    translator = translator or TableTranslator()
    specs = {table: translator.target_spec(pipeline, table) for table in pipeline.tables}
    sources = [translator.source_spec(pipeline, table) for table in pipeline.tables]
    refuse_collisions(specs.values())
    load = translator.load_spec(pipeline)
    tables = build_tables(pipeline, load, specs)
    cleanup = build_cleanup_job(pipeline)
    definitions = dg.Definitions(
        assets=[tables, *sources],
        asset_checks=[build_load_checks(pipeline, load), *build_checks(pipeline, specs)],
        jobs=[*(_load_job(pipeline, tables, kind) for kind in get_args(LoadKind)), cleanup],
        schedules=[build_schedule(pipeline, job_name=job_name(pipeline.name, "incremental"))],
    )
    keys = {table.source: spec.key for table, spec in specs.items()}
    return PipelineDefinitions(pipeline, load.key, keys, cleanup, definitions)


def _load_job(pipeline: PipelineConfig, tables: dg.AssetsDefinition, kind: LoadKind) -> Any:
    return dg.define_asset_job(
        job_name(pipeline.name, kind),
        selection=dg.AssetSelection.assets(tables),
        tags={PIPELINE_TAG: pipeline.name, "dagster/max_runtime": str(_MAX_RUNTIME_S)},
        description=f"{kind.capitalize()} load of {pipeline.name}.",
    )


def build_broken_pipeline(name: str, reason: str) -> dg.Definitions:
    """For a pipeline that cannot be loaded: a job of its name that fails with the reason."""
    safe_name = re.sub(r"[^A-Za-z0-9_]", "_", name)

    @dg.op(name=f"{safe_name}__configuration")
    def configuration() -> None:
        raise dg.Failure(description=reason, allow_retries=False)

    @dg.job(name=job_name(safe_name, "incremental"), description=f"NOT LOADED. {reason}")
    def broken_job() -> None:
        configuration.alias("configuration")()

    return dg.Definitions(jobs=[broken_job])


def run_config(pipeline: str, *, reload: bool = False) -> dict[str, Any]:
    """The run configuration of a load."""
    return {"ops": {pipeline: {"config": {"reload": reload}}}}
