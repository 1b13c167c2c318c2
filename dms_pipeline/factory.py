"""One pipeline's configuration -> everything Dagster shows of it."""

import re
from collections.abc import Mapping
from typing import Any, Literal

import dagster as dg

from dms_pipeline.assets import build_tables
from dms_pipeline.automation import (
    PIPELINE_TAG,
    build_cleanup_job,
    build_schedule,
    build_sensors,
)
from dms_pipeline.checks import build_row_count_check
from dms_pipeline.errors import ConfigError
from dms_pipeline.ops import MigrationTypeName
from dms_pipeline.pipeline_config import PipelineConfig
from dms_pipeline.translator import TableTranslator, refuse_collisions

LoadKind = Literal["full", "incremental"]
_KINDS: Mapping[LoadKind, MigrationTypeName] = {
    "incremental": MigrationTypeName.CDC,
    "full": MigrationTypeName.FULL_LOAD,
}
# A run that hangs would hold its pipeline's pool for ever; run monitoring ends it after a day.
_MAX_RUNTIME_S = 24 * 3600


def build_pipeline(
    pipeline: PipelineConfig, translator: TableTranslator | None = None
) -> dg.Definitions:
    """Assets, checks, jobs, schedule and sensors of one pipeline.

    Raises:
        ConfigError: if two tables would appear as the same asset.
    """
    translator = translator or TableTranslator()
    specs = {table: translator.target_spec(pipeline, table) for table in pipeline.tables}
    sources = [translator.source_spec(pipeline, table) for table in pipeline.tables]
    refuse_collisions(specs.values())
    tables = build_tables(pipeline, specs)
    return dg.Definitions(
        assets=[tables, *sources],
        asset_checks=[build_row_count_check(pipeline, specs)],
        jobs=[
            *(
                dg.define_asset_job(
                    job_name(pipeline.name, kind),
                    selection=dg.AssetSelection.assets(tables),
                    config=run_config(pipeline.name, kind),
                    tags={PIPELINE_TAG: pipeline.name, "dagster/max_runtime": str(_MAX_RUNTIME_S)},
                    description=f"{kind.capitalize()} load of {pipeline.name}.",
                )
                for kind in _KINDS
            ),
            build_cleanup_job(pipeline),
        ],
        schedules=[build_schedule(pipeline, job_name=job_name(pipeline.name, "incremental"))],
        sensors=build_sensors(pipeline, [spec.key for spec in specs.values()]),
    )


def build_broken_pipeline(name: str, error: ConfigError) -> dg.Definitions:
    """For a pipeline that cannot be loaded: a job of its name that fails with the reason."""
    safe_name = re.sub(r"[^A-Za-z0-9_]", "_", name)
    reason = str(error)

    @dg.op(name=f"{safe_name}__configuration")
    def configuration() -> None:
        raise dg.Failure(description=reason, allow_retries=False)

    @dg.job(name=job_name(safe_name, "incremental"), description=f"NOT LOADED. {reason}")
    def broken_job() -> None:
        configuration.alias("configuration")()

    return dg.Definitions(jobs=[broken_job])


def job_name(pipeline: str, kind: LoadKind) -> str:
    return f"{pipeline}_{kind}_load"


def run_config(pipeline: str, kind: LoadKind, *, reload: bool = False) -> dict[str, Any]:
    """The run configuration of a load of that kind, as the launchpad shows it."""
    given = {"migration_type": _KINDS[kind].name, "reload": reload}
    return {"ops": {pipeline: {"config": given}}}
