"""The asset checks of a pipeline's loads as a whole, beside those of its tables."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from dms_pipeline.binlog.position import parse_checkpoint
from dms_pipeline.errors import DmsPipelineError
from dms_pipeline.failures import failures
from dms_pipeline.load_verdicts import (
    Verdict,
    all_applied,
    binary_log_kept,
    checkpoint_advanced,
    inconclusive,
    no_drift,
    no_table_errors,
)
from dms_pipeline.pipeline_config import PipelineConfig
from dms_pipeline.records import CheckpointRecord
from dms_pipeline.resources.load_resources import LoadResources
from dms_pipeline.table_agreement import drifted_columns, unlisted_tables
from dms_pipeline.task_settings import control_schema


@dataclass(frozen=True, slots=True)
class _LastLoad:
    """What a check looks at: the last load of a pipeline, and the world it left."""

    pipeline: PipelineConfig
    record: CheckpointRecord
    on: LoadResources


def _all_applied(last: _LastLoad) -> Verdict:
    name, record = last.pipeline.name, last.record
    _, seen = last.on.of_run(name, record.run_id)
    tables = seen.tables or last.on.load_metrics.metrics().of_load(name, record.started_at)
    return all_applied(record, tables)


def _no_table_errors(last: _LastLoad) -> Verdict:
    pipeline, since = last.pipeline, last.record.started_at
    target = last.on.target.database(pipeline.target.secret)
    schema = control_schema(pipeline.task_settings)
    # Whether DMS names a table as on the source or as on the target differs between its tables.
    names = {name for table in pipeline.tables for name in (table.source, table.target)}
    return no_table_errors(
        target.exceptions_since(since, names, schema=schema),
        target.suspensions_since(since, names, schema=schema),
    )


def _checkpoint_advanced(last: _LastLoad) -> Verdict:
    history = last.on.checkpoints.store().history(last.pipeline.name, newest_first=True)
    before = next((old for old in history if old.sequence < last.record.sequence), None)
    return checkpoint_advanced(last.record, before)


def _binary_log_kept(last: _LastLoad) -> Verdict:
    server = last.on.source.database(last.pipeline.source.secret).server()
    return binary_log_kept(last.record, server, last.pipeline.schedule, datetime.now(UTC))


def _no_drift(last: _LastLoad) -> Verdict:
    source = last.on.source.database(last.pipeline.source.secret)
    target = last.on.target.database(last.pipeline.target.secret)
    position = parse_checkpoint(last.record.checkpoint)
    drifted = drifted_columns(last.pipeline, source, target, checkpoint=position)
    return no_drift(drifted, unlisted_tables(last.pipeline, source))


@dataclass(frozen=True, slots=True)
class _Check:
    description: str
    judge: Callable[[_LastLoad], Verdict]


_CHECKS: Mapping[str, _Check] = {
    "captured_is_applied": _Check(
        "DMS applied as many changes of each table as it captured.", _all_applied
    ),
    "no_table_errors": _Check(
        "DMS suspended no table and applied every change since the last load began.",
        _no_table_errors,
    ),
    "checkpoint_advanced": _Check(
        "The checkpoint is where the source was when the load began, or later.",
        _checkpoint_advanced,
    ),
    "binary_log_kept": _Check(
        "The source keeps its binary log long enough to miss three loads.", _binary_log_kept
    ),
    "no_schema_drift": _Check(
        "Source, target, table mapping and pipeline.yaml speak of the same tables and columns.",
        _no_drift,
    ),
}


def build_load_checks(pipeline: PipelineConfig, load: dg.AssetSpec) -> dg.AssetChecksDefinition:
    """The checks of the asset that stands for the pipeline's loads."""

    @dg.multi_asset_check(
        name=f"{pipeline.name}_load_checks",
        can_subset=True,
        specs=[
            dg.AssetCheckSpec(name, asset=load.key, description=check.description)
            for name, check in _CHECKS.items()
        ],
    )
    def load_checks(
        context: dg.AssetCheckExecutionContext, on: LoadResources
    ) -> Iterator[dg.AssetCheckResult]:
        selected = {key.name for key in context.selected_asset_check_keys}
        with failures():
            last = _LastLoad(pipeline, on.checkpoints.last_load(pipeline.name), on)
            for name in (name for name in _CHECKS if name in selected):
                yield _result(load.key, name, _judged(_CHECKS[name], last))

    return load_checks


def _judged(check: _Check, last: _LastLoad) -> Verdict:
    """What cannot be looked at leaves one check without an answer, not all of them."""
    try:
        return check.judge(last)
    except DmsPipelineError as error:
        return inconclusive(str(error))


def _result(key: dg.AssetKey, name: str, verdict: Verdict) -> dg.AssetCheckResult:
    metadata: dict[str, Any] = dict(verdict.numbers)
    if verdict.lines:
        metadata["found"] = dg.MetadataValue.md("\n".join(f"* {line}" for line in verdict.lines))
    if verdict.moment is not None:
        metadata["kept_until"] = dg.MetadataValue.timestamp(verdict.moment)
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=name,
        passed=verdict.passed,
        severity=dg.AssetCheckSeverity.ERROR if verdict.is_error else dg.AssetCheckSeverity.WARN,
        description=verdict.description,
        metadata=metadata,
    )
