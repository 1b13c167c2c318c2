"""The asset checks of a pipeline: they run after each load in its run, and alone from the UI."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import dagster as dg

from dms_pipeline.binlog.position import BinlogPosition, parse_checkpoint
from dms_pipeline.content.comparison import ContentComparison, compare_tables
from dms_pipeline.content.definitions import Extent
from dms_pipeline.errors import BinlogError
from dms_pipeline.failures import failures
from dms_pipeline.pipeline_config import PipelineConfig, ReplicatedTable
from dms_pipeline.records import CheckpointRecord
from dms_pipeline.resources.checkpoints import CheckpointsResource
from dms_pipeline.resources.source import SourceResource
from dms_pipeline.resources.target import TargetResource
from dms_pipeline.row_count import RowCount, count_rows
from dms_pipeline.task_settings import lob_limit

ROW_COUNT = "row_count"
CONTENT = "content"

Specs = Mapping[ReplicatedTable, dg.AssetSpec]
Keys = Mapping[ReplicatedTable, dg.AssetKey]


def build_checks(pipeline: PipelineConfig, specs: Specs) -> list[dg.AssetChecksDefinition]:
    """The checks that the pipeline asks for."""
    compared = {table: spec for table, spec in specs.items() if table.checks.content != "off"}
    contents = [_content_check(pipeline, compared)] if compared else []
    return [_row_count_check(pipeline, specs), *contents]


def _row_count_check(pipeline: PipelineConfig, specs: Specs) -> dg.AssetChecksDefinition:
    """One check a table in one step: the tables share a pass over the binary log."""

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
        def count(
            tables: Keys, _: CheckpointRecord, position: BinlogPosition
        ) -> list[dg.AssetCheckResult]:
            here = source.database(pipeline.source.secret)
            there = target.database(pipeline.target.secret)
            whole = [table for table in tables if not table.is_filtered]
            filtered = {table: _keys_of(table) for table in tables if table.is_filtered}
            counts = count_rows(whole, source=here, target=there, checkpoint=position)
            # Whether a row that was inserted or deleted since passes a filter, the log does not
            # say: such keys are left out on both sides.
            keys = compare_tables(
                filtered,
                source=here,
                target=there,
                checkpoint=position,
                rules=pipeline.column_rules,
            )
            return [
                *(_counted(tables[each.table], each) for each in counts),
                *(_compared(ROW_COUNT, tables[each.table], each) for each in keys),
            ]

        yield from _as_of_checkpoint(
            ROW_COUNT, pipeline, _selected(context, specs), checkpoints, count
        )

    return row_counts


def _content_check(pipeline: PipelineConfig, specs: Specs) -> dg.AssetChecksDefinition:
    """One check a table in one step, which shares a snapshot and the log."""

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
        def compare(
            tables: Keys, record: CheckpointRecord, position: BinlogPosition
        ) -> list[dg.AssetCheckResult]:
            comparisons = compare_tables(
                {table: _extent(table, record) for table in tables},
                source=source.database(pipeline.source.secret),
                target=target.database(pipeline.target.secret),
                checkpoint=position,
                rules=pipeline.column_rules,
                lob_limit=lob_limit(pipeline.task_settings),
            )
            return [_compared(CONTENT, tables[each.table], each) for each in comparisons]

        yield from _as_of_checkpoint(
            CONTENT, pipeline, _selected(context, specs), checkpoints, compare
        )

    return contents


def _as_of_checkpoint(
    check: str,
    pipeline: PipelineConfig,
    tables: Keys,
    checkpoints: CheckpointsResource,
    results: Callable[[Keys, CheckpointRecord, BinlogPosition], list[dg.AssetCheckResult]],
) -> Iterator[dg.AssetCheckResult]:
    """The results of a check that needs the target to be as it was at the checkpoint."""
    with failures():
        record, reason = checkpoints.last_load_and_doubt(pipeline.name)
        found = []
        try:
            position = parse_checkpoint(record.checkpoint)
        except BinlogError as error:
            # DMS does not document the text.
            reason = f"the checkpoint cannot be read: {error}"
        else:
            if not reason:
                found = results(tables, record, position)
                # A load that has begun meanwhile changes the target.
                reason = checkpoints.why_not_at(record)
    if reason:
        found = [_inconclusive(check, key, reason) for key in tables.values()]
    yield from found


def _selected(context: dg.AssetCheckExecutionContext, specs: Specs) -> Keys:
    selected = {key.asset_key for key in context.selected_asset_check_keys}
    return {table: spec.key for table, spec in specs.items() if spec.key in selected}


def _check_specs(name: str, specs: Specs, description: str) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            name, asset=spec.key, blocking=table.checks.blocking, description=description
        )
        for table, spec in specs.items()
    ]


def _extent(table: ReplicatedTable, record: CheckpointRecord) -> Extent:
    """What is compared of a table: after sixteen loads a sample has been everywhere."""
    share = "" if table.checks.content == "full" else f"{record.sequence % 16:x}"
    return Extent(share, table.checks.content_budget_s)


def _keys_of(table: ReplicatedTable) -> Extent:
    return Extent(budget_s=table.checks.content_budget_s, keys_only=True)


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


def _compared(check: str, key: dg.AssetKey, found: ContentComparison) -> dg.AssetCheckResult:
    if found.undecided:
        return _inconclusive(check, key, found.undecided)
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=check,
        passed=not found.different,
        severity=_severity(found.table),
        description=(
            f"{found.different} of {found.rows} rows differ; {found.differences[0]}"
            if found.different
            else f"{found.rows} rows are equal"
        ),
        metadata={
            "compared_rows": found.rows,
            "different_rows": found.different,
            "changed_since_checkpoint": found.left_out,
            **_listed("differences", found.differences),
            **_listed("not_compared", found.not_compared),
        },
    )


def _listed(name: str, lines: Iterable[object]) -> dict[str, dg.MetadataValue[Any]]:
    """For people to read; nothing of an empty list."""
    text = "\n".join(f"* {line}" for line in lines)
    return {name: dg.MetadataValue.md(text)} if text else {}


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
