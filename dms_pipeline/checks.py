"""The asset checks of a pipeline: they run after each load in its run, and alone from the UI."""

from collections.abc import Iterable, Iterator, Mapping

import dagster as dg

from dms_pipeline.binlog.position import BinlogPosition, parse_checkpoint
from dms_pipeline.content.comparison import ContentComparison, compare_tables
from dms_pipeline.errors import BinlogError, PreflightError
from dms_pipeline.failures import failures
from dms_pipeline.pipeline_config import PipelineConfig, ReplicatedTable
from dms_pipeline.records import CheckpointRecord
from dms_pipeline.resources.checkpoints import CheckpointsResource
from dms_pipeline.resources.source import SourceResource
from dms_pipeline.resources.target import TargetResource
from dms_pipeline.row_count import RowCount, count_rows

ROW_COUNT = "row_count"
CONTENT = "content"

Specs = Mapping[ReplicatedTable, dg.AssetSpec]


def build_checks(pipeline: PipelineConfig, specs: Specs) -> list[dg.AssetChecksDefinition]:
    """The checks that the pipeline asks for."""
    compared = {table: spec for table, spec in specs.items() if table.checks.content != "off"}
    contents = [_content_check(pipeline, compared)] if compared else []
    return [_row_count_check(pipeline, specs), *contents]


def _row_count_check(pipeline: PipelineConfig, specs: Specs) -> dg.AssetChecksDefinition:
    """One check a table in one step: the tables share a snapshot and a pass over the binary log."""
    tables = {spec.key: table for table, spec in specs.items()}

    @dg.multi_asset_check(
        name=f"{pipeline.name}_row_counts",
        can_subset=True,
        specs=_check_specs(
            ROW_COUNT, specs, "Rows on the target equal the source's rows at the checkpoint."
        ),
    )
    def row_counts(
        context: dg.AssetCheckExecutionContext,
        checkpoints: CheckpointsResource,
        source: SourceResource,
        target: TargetResource,
    ) -> Iterator[dg.AssetCheckResult]:
        selected = sorted(key.asset_key for key in context.selected_asset_check_keys)
        with failures():
            position = _position(_latest(pipeline, checkpoints))
            if isinstance(position, str):
                yield from (_inconclusive(ROW_COUNT, key, position) for key in selected)
                return
            yield from _filtered(ROW_COUNT, selected, tables)
            counts = count_rows(
                [tables[key] for key in selected if not tables[key].is_filtered],
                source=source.database(pipeline.source.secret),
                target=target.database(pipeline.target.secret),
                checkpoint=position,
            )
        keys = {table: key for key, table in tables.items()}
        for count in counts:
            yield _counted(keys[count.table], count)

    return row_counts


def _content_check(pipeline: PipelineConfig, specs: Specs) -> dg.AssetChecksDefinition:
    """One check a table in one step, which shares a snapshot, the log and the time."""
    tables = {spec.key: table for table, spec in specs.items()}

    @dg.multi_asset_check(
        name=f"{pipeline.name}_contents",
        can_subset=True,
        specs=_check_specs(
            CONTENT, specs, "Rows on the target have the values of the source at the checkpoint."
        ),
    )
    def contents(
        context: dg.AssetCheckExecutionContext,
        checkpoints: CheckpointsResource,
        source: SourceResource,
        target: TargetResource,
    ) -> Iterator[dg.AssetCheckResult]:
        selected = sorted(key.asset_key for key in context.selected_asset_check_keys)
        with failures():
            record = _latest(pipeline, checkpoints)
            position = _position(record)
            if isinstance(position, str):
                yield from (_inconclusive(CONTENT, key, position) for key in selected)
                return
            yield from _filtered(CONTENT, selected, tables)
            wanted = [tables[key] for key in selected if not tables[key].is_filtered]
            comparisons = compare_tables(
                {table: _share(table, record) for table in wanted},
                source=source.database(pipeline.source.secret),
                target=target.database(pipeline.target.secret),
                checkpoint=position,
                budget_s=pipeline.content_budget_s,
            )
        keys = {table: key for key, table in tables.items()}
        for comparison in comparisons:
            yield _compared(keys[comparison.table], comparison)

    return contents


def _check_specs(name: str, specs: Specs, description: str) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            name, asset=spec.key, blocking=table.checks.blocking, description=description
        )
        for table, spec in specs.items()
    ]


def _latest(pipeline: PipelineConfig, checkpoints: CheckpointsResource) -> CheckpointRecord:
    latest = checkpoints.store().latest(pipeline.name)
    if latest is None:
        raise PreflightError(
            f"{pipeline.name} has not been loaded yet, so there is nothing to compare; "
            f"run {pipeline.name}_full_load first"
        )
    return latest


def _position(record: CheckpointRecord) -> BinlogPosition | str:
    """Where the checkpoint lies, or why that cannot be told: DMS does not document its text."""
    try:
        return parse_checkpoint(record.checkpoint)
    except BinlogError as error:
        return f"the checkpoint cannot be read: {error}"


def _share(table: ReplicatedTable, record: CheckpointRecord) -> str:
    """What is compared of a table: after sixteen loads a sample has been everywhere."""
    return "" if table.checks.content == "full" else f"{record.sequence % 16:x}"


def _counted(key: dg.AssetKey, count: RowCount) -> dg.AssetCheckResult:
    if count.undecided:
        return _inconclusive(ROW_COUNT, key, count.undecided)
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
        severity=_severity(count.table),
        description=description,
        metadata={name: value for name, value in numbers.items() if value is not None},
    )


def _compared(key: dg.AssetKey, found: ContentComparison) -> dg.AssetCheckResult:
    if found.undecided:
        return _inconclusive(CONTENT, key, found.undecided)
    first = "; ".join(f"key ({one.key}): {one.what}" for one in found.differences[:1])
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=CONTENT,
        passed=not found.different,
        severity=_severity(found.table),
        description=(
            f"{found.different} of {found.rows} rows differ; {first}"
            if found.different
            else f"{found.rows} rows are equal"
        ),
        metadata={
            "compared_rows": found.rows,
            "different_rows": found.different,
            "changed_since_checkpoint": found.left_out,
            "differences": [f"key ({one.key}): {one.what}" for one in found.differences],
            "not_compared": list(found.not_compared),
        },
    )


def _filtered(
    check: str, keys: Iterable[dg.AssetKey], tables: Mapping[dg.AssetKey, ReplicatedTable]
) -> Iterator[dg.AssetCheckResult]:
    for key in keys:
        if tables[key].is_filtered:
            yield _inconclusive(check, key, "the table mapping filters its rows")


def _severity(table: ReplicatedTable) -> dg.AssetCheckSeverity:
    is_error = table.checks.severity == "error"
    return dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN


def _inconclusive(check: str, key: dg.AssetKey, reason: str) -> dg.AssetCheckResult:
    """Never a pass: a warning that says why the check cannot decide."""
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=check,
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"inconclusive: {reason}",
    )
