"""How a replicated table appears in Dagster: subclass it for other keys, groups, metadata."""

import re
from collections.abc import Iterable
from datetime import timedelta

import dagster as dg

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import ConfigError
from dms_pipeline.pipeline_config import FreshnessSection, PipelineConfig, ReplicatedTable

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


class TableTranslator:
    """Keys and specs of a pipeline's tables; the true names stand in ``dagster/table_name``."""

    def load_spec(self, pipeline: PipelineConfig) -> dg.AssetSpec:
        """The pipeline's loads as a whole: their checkpoint, lag and cost."""
        return dg.AssetSpec(
            dg.AssetKey(["dms", pipeline.name]),
            group_name=pipeline.name,
            kinds={"aws"},
            description=f"The loads of {pipeline.name} through AWS DMS: checkpoint, lag, cost.",
        )

    def source_spec(self, pipeline: PipelineConfig, table: ReplicatedTable) -> dg.AssetSpec:
        """The MySQL table, which this project only reads."""
        return dg.AssetSpec(
            _key("mysql", table.source),
            group_name=pipeline.name,
            kinds={"mysql"},
            description=f"Source table {table.source}.",
            metadata={"dagster/table_name": str(table.source)},
        )

    def target_spec(self, pipeline: PipelineConfig, table: ReplicatedTable) -> dg.AssetSpec:
        """The PostgreSQL table, materialized by each load."""
        return dg.AssetSpec(
            _key("postgres", table.target),
            deps=[_key("mysql", table.source)],
            group_name=pipeline.name,
            kinds={"aws", "postgres"},
            description=f"{table.source}, replicated by AWS DMS.",
            metadata={"dagster/table_name": str(table.target)},
            freshness_policy=_freshness(pipeline.freshness),
        )


def slug(table: TableId) -> str:
    """A name that Dagster accepts for an op's output."""
    return re.sub(r"[^A-Za-z0-9]", "_", f"t_{table.schema}_{table.table}")


def refuse_collisions(specs: Iterable[dg.AssetSpec]) -> None:
    """Raises `ConfigError` if two tables would appear as one asset."""
    seen: dict[str, str] = {}
    for spec in specs:
        # Dagster makes names from keys in which - and _ are the same.
        key = spec.key.to_user_string().replace("-", "_")
        name = str(spec.metadata.get("dagster/table_name"))
        if key in seen:
            raise ConfigError(
                f"the tables {seen[key]} and {name} would both be the asset "
                f"{spec.key.to_user_string()}; give one another key in a TableTranslator"
            )
        seen[key] = name


def _freshness(section: FreshnessSection | None) -> dg.FreshnessPolicy | None:
    if section is None:
        return None
    warn = section.warn_after_hours
    return dg.FreshnessPolicy.time_window(
        fail_window=timedelta(hours=section.fail_after_hours),
        warn_window=None if warn is None else timedelta(hours=warn),
    )


def _key(side: str, table: TableId) -> dg.AssetKey:
    return dg.AssetKey([side, *(_UNSAFE.sub("_", part) for part in (table.schema, table.table))])
