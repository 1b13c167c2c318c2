"""The asset checks of a pipeline: they run after each load in its run, and alone from the UI."""

from collections.abc import Iterator

import dagster as dg

from dms_pipeline.binlog.position import parse_checkpoint
from dms_pipeline.errors import BinlogError, PreflightError
from dms_pipeline.failures import failures
from dms_pipeline.pipeline_config import PipelineConfig, ReplicatedTable
from dms_pipeline.resources.checkpoints import CheckpointsResource
from dms_pipeline.resources.source import SourceResource
from dms_pipeline.resources.target import TargetResource
from dms_pipeline.row_count import RowCount, count_rows

ROW_COUNT = "row_count"


def build_row_count_check(
    pipeline: PipelineConfig, specs: dict[ReplicatedTable, dg.AssetSpec]
) -> dg.AssetChecksDefinition:
    """One check a table in one step: the tables share a snapshot and a pass over the binary log."""
    tables = {spec.key: table for table, spec in specs.items()}

    @dg.multi_asset_check(
        name=f"{pipeline.name}_row_counts",
        can_subset=True,
        specs=[
            dg.AssetCheckSpec(
                ROW_COUNT,
                asset=spec.key,
                blocking=pipeline.row_count_blocks,
                description="Rows on the target equal the source's rows at the checkpoint.",
            )
            for spec in specs.values()
        ],
    )
    def row_counts(
        context: dg.AssetCheckExecutionContext,
        checkpoints: CheckpointsResource,
        source: SourceResource,
        target: TargetResource,
    ) -> Iterator[dg.AssetCheckResult]:
        selected = {key.asset_key for key in context.selected_asset_check_keys}
        with failures():
            latest = checkpoints.store().latest(pipeline.name)
            if latest is None:
                raise PreflightError(
                    f"{pipeline.name} has not been loaded yet, so there is nothing to compare; "
                    f"run {pipeline.name}_full_load first"
                )
            try:
                position = parse_checkpoint(latest.checkpoint)
            except BinlogError as error:
                for key in sorted(selected):
                    yield _inconclusive(key, f"the checkpoint cannot be read: {error}")
                return
            counts = count_rows(
                [tables[key] for key in sorted(selected)],
                source=source.database(pipeline.source.secret),
                target=target.database(pipeline.target.secret),
                checkpoint=position,
            )
        keys = {table: key for key, table in tables.items()}
        for count in counts:
            yield _result(keys[count.table], count)

    return row_counts


def _result(key: dg.AssetKey, count: RowCount) -> dg.AssetCheckResult:
    if count.undecided:
        return _inconclusive(key, count.undecided)
    numbers = {
        "source_rows": count.source,
        "net_inserts_since_checkpoint": count.net_inserts,
        "expected_rows": count.expected,
        "target_rows": count.target,
    }
    missing = [side for side in ("source", "target") if getattr(count, side) is None]
    description = (
        f"{count.target} rows on the target, {count.expected} expected"
        if not missing
        else f"there is no such table on the {' and the '.join(missing)}"
    )
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=ROW_COUNT,
        passed=count.matches,
        severity=dg.AssetCheckSeverity.ERROR,
        description=description,
        metadata={name: value for name, value in numbers.items() if value is not None},
    )


def _inconclusive(key: dg.AssetKey, reason: str) -> dg.AssetCheckResult:
    """Never a pass: a warning that says why the check cannot decide."""
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=ROW_COUNT,
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"inconclusive: {reason}",
    )
