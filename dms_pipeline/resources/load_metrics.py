"""The metrics table: a row for each table and load, with the AWS walkthrough's names.

Key: ``pipeline`` and ``load_key`` (``load_date#schema.table``), so that the rows of a load lie
together in the order of time. ``TableName``, ``load_date``, ``Inserts``, ``Deletes`` and
``Updates`` are what the walkthrough's PartiQL query asks for.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from pydantic import Field

from dms_pipeline.aws.dynamodb import ConditionFailedError, KeyedTable
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.records import LoadRecord, RunRecord, TableLoad
from dms_pipeline.resources.aws_session import AwsSession

_RUN = "run#"


class LoadMetrics:
    """The metrics of all pipelines. Raises `AwsError` when DynamoDB does not answer."""

    def __init__(self, table: KeyedTable) -> None:
        self._table = table

    def create_table(self) -> None:
        self._table.create()

    def put(self, records: Iterable[LoadRecord]) -> None:
        """Writes the rows of a load; a repetition writes the same rows again."""
        self._table.put_all(map(_item, records))

    def add_run(self, run: RunRecord) -> RunRecord:
        """Writes what a load cost, unless that was written before; what is written then."""
        try:
            self._table.put_if(_run_item(run))
        except ConditionFailedError:
            return self.run_of(run.pipeline, run.load_date) or run
        return run

    def run_of(self, pipeline: str, load_date: datetime) -> RunRecord | None:
        item = self._table.get(pipeline, f"{_RUN}{_date(load_date)}")
        return _run(item) if item else None

    def runs(self, pipeline: str) -> Iterator[RunRecord]:
        """What each load of a pipeline cost, the oldest first."""
        return map(_run, self._table.query(pipeline, sort_prefix=_RUN))

    def of_load(self, pipeline: str, load_date: datetime) -> tuple[LoadRecord, ...]:
        prefix = f"{_date(load_date)}#"
        return tuple(map(_record, self._table.query(pipeline, sort_prefix=prefix)))

    def history(self, pipeline: str) -> Iterator[LoadRecord]:
        """All rows of a pipeline, the oldest load first."""
        # Dates begin with the digit of the millennium, the rows of runs with a letter.
        return map(_record, self._table.query(pipeline, sort_prefix="2"))


class LoadMetricsResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The DynamoDB table that holds the metrics."""

    aws: dg.ResourceDependency[AwsSession]
    table_name: str = Field(default="dms_load_cdc_metrics", description="DynamoDB table")

    def metrics(self) -> LoadMetrics:
        client = self.aws.client("dynamodb")
        return LoadMetrics(
            KeyedTable(client, self.table_name, partition_key="pipeline", sort_key="load_key")
        )


def _date(moment: datetime) -> str:
    """UTC with milliseconds, as fine as DMS tells the time; always as long, so that it sorts."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _item(record: LoadRecord) -> dict[str, Any]:
    counts = record.counts
    return {
        "pipeline": record.pipeline,
        "load_key": f"{_date(record.load_date)}#{counts.table}",
        "load_date": _date(record.load_date),
        "TableName": str(counts.table),
        "SchemaName": counts.table.schema,
        "BareTableName": counts.table.table,
        "run_id": record.run_id,
        "Inserts": counts.inserts,
        "Updates": counts.updates,
        "Deletes": counts.deletes,
        "Ddls": counts.ddls,
        "AppliedInserts": counts.applied_inserts,
        "AppliedUpdates": counts.applied_updates,
        "AppliedDeletes": counts.applied_deletes,
        "FullLoadRows": counts.full_load_rows,
    }


def _record(item: dict[str, Any]) -> LoadRecord:
    return LoadRecord(
        pipeline=item["pipeline"],
        load_date=datetime.fromisoformat(item["load_date"]),
        run_id=item["run_id"],
        counts=TableLoad(
            table=TableId(item["SchemaName"], item["BareTableName"]),
            inserts=int(item["Inserts"]),
            updates=int(item["Updates"]),
            deletes=int(item["Deletes"]),
            ddls=int(item["Ddls"]),
            applied_inserts=int(item["AppliedInserts"]),
            applied_updates=int(item["AppliedUpdates"]),
            applied_deletes=int(item["AppliedDeletes"]),
            full_load_rows=int(item["FullLoadRows"]),
        ),
    )


def _run_item(run: RunRecord) -> dict[str, Any]:
    return {
        "pipeline": run.pipeline,
        "load_key": f"{_RUN}{_date(run.load_date)}",
        "load_date": _date(run.load_date),
        "run_id": run.run_id,
        "instance_class": run.instance_class,
        "billed_s": str(run.billed_s),
        "active_s": str(run.active_s),
        "price_per_hour_usd": "" if run.price_per_hour_usd is None else str(run.price_per_hour_usd),
    }


def _run(item: dict[str, Any]) -> RunRecord:
    price = item["price_per_hour_usd"]
    return RunRecord(
        pipeline=item["pipeline"],
        load_date=datetime.fromisoformat(item["load_date"]),
        run_id=item["run_id"],
        instance_class=item["instance_class"],
        billed_s=float(item["billed_s"]),
        active_s=float(item["active_s"]),
        price_per_hour_usd=float(price) if price else None,
    )
