"""A pipeline and its world for unit tests: real control plane, scripted engine, no network."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dms_pipeline.aws.dms import DmsClient
from dms_pipeline.aws.dynamodb import KeyedTable
from dms_pipeline.aws.secrets import DatabaseCredentials
from dms_pipeline.aws.sns import Topic
from dms_pipeline.binlog.events import QueryEvent
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.dms_objects import DmsObjects
from dms_pipeline.errors import AwsError
from dms_pipeline.load import Load
from dms_pipeline.pipeline_config import PipelineConfig, load_pipeline
from dms_pipeline.records import ApplyException
from dms_pipeline.resources.checkpoints import CheckpointStore
from dms_pipeline.resources.leases import Lease
from dms_pipeline.resources.load_metrics import LoadMetrics
from dms_pipeline.resources.source import MySQLSource, SourceServer
from dms_pipeline.resources.target import PostgresTarget
from dms_pipeline.schema_drift import ColumnSize
from dms_pipeline.waiting import Pacing
from dms_pipeline_tests.fake_engine import FakeEngine, Script, table_row
from dms_pipeline_tests.wsgi_bridge import client, local_aws

PIPELINES = Path(__file__).parents[1] / "dms_pipeline" / "pipelines"
NAME = "dms-pipeline-studentdb"
STUDENTS = TableId("studentdb", "student_details")
LOGIN = DatabaseCredentials("127.0.0.1", 1, "dms_user", "secret", "auroradb")


def checkpoint_at(offset: int, *, file: str = "mysql-bin-changelog.000002") -> str:
    """A recovery checkpoint in AWS's shape whose next event is at the offset."""
    return f"checkpoint:V1#27#{file}:{offset - 27}:-1:{offset}:8589936400:{file}:4#0#0#*#0#93"


READY = SourceServer(
    version="10.11.6-MariaDB",
    identity="server_id 1",
    variables={"log_bin": "ON", "binlog_format": "ROW", "binlog_row_image": "FULL"},
    binary_logs=("mysql-bin-changelog.000001", "mysql-bin-changelog.000002"),
    end=BinlogPosition("mysql-bin-changelog.000002", 2002),
)


@dataclass(frozen=True, slots=True)
class FakeSource(MySQLSource):
    """A source that answers what it is told to; it is never connected to."""

    state: SourceServer = READY
    keyed: dict[TableId, bool] = field(default_factory=lambda: {STUDENTS: True})
    unlogged: dict[TableId, list[str]] = field(default_factory=dict)
    column_sizes: tuple[ColumnSize, ...] = ()
    statements: list[QueryEvent] = field(default_factory=list)

    def server(self) -> SourceServer:
        return self.state

    def end(self) -> BinlogPosition:
        assert self.state.end is not None
        return self.state.end

    def log_bytes(self, start: BinlogPosition, end: BinlogPosition) -> int:
        return end.offset - start.offset

    def try_to_read_log(self, start: BinlogPosition) -> None:
        pass

    def tables(self) -> tuple[TableId, ...]:
        return tuple(self.keyed)

    def columns(self, tables: Any) -> dict[TableId, tuple[ColumnSize, ...]]:
        return {table: self.column_sizes for table in tables if self.column_sizes}

    def statements_since(self, position: BinlogPosition) -> list[QueryEvent]:
        return self.statements

    def primary_keys(self, tables: Any) -> dict[TableId, bool]:
        return {table: self.keyed[table] for table in tables if table in self.keyed}

    def unlogged_rules(self, tables: Any) -> dict[TableId, list[str]]:
        wanted = set(tables)
        return {table: rules for table, rules in self.unlogged.items() if table in wanted}

    def with_variables(self, **variables: str) -> "FakeSource":
        return replace(
            self, state=replace(self.state, variables={**self.state.variables, **variables})
        )


@dataclass(frozen=True, slots=True)
class FakeTarget(PostgresTarget):
    """A target that answers what it is told to."""

    schemas: tuple[str, ...] = ()
    may_create: bool = True
    exceptions: tuple[ApplyException, ...] = ()
    may_not: tuple[str, ...] = ()
    column_sizes: tuple[ColumnSize, ...] = ()

    def columns(self, tables: Any) -> dict[TableId, tuple[ColumnSize, ...]]:
        return {table: self.column_sizes for table in tables if self.column_sizes}

    def denied(self, tables: Any, *, recreated: bool) -> tuple[str, ...]:
        return self.may_not

    def apply_exceptions(self, task_name: str, *, schema: str) -> tuple[ApplyException, ...]:
        return self.exceptions

    def may_create_schemas(self) -> bool:
        return self.may_create

    def missing_schemas(self, schemas: Any) -> tuple[str, ...]:
        return tuple(schema for schema in schemas if schema not in self.schemas)


@dataclass(slots=True)
class World:
    """One AWS account with the pipeline's endpoints and tables in it."""

    engine: FakeEngine
    app: Any
    pipeline: PipelineConfig
    said: list[str] = field(default_factory=list)
    source: FakeSource = FakeSource(LOGIN)
    target: FakeTarget = FakeTarget(LOGIN)
    lease_clock: Callable[[], float] = time.time

    @property
    def dms(self) -> DmsClient:
        return DmsClient(client(self.app, "dms"))

    @property
    def checkpoints(self) -> CheckpointStore:
        return CheckpointStore(self._table("dms_load_checkpoints", "version"))

    @property
    def metrics(self) -> LoadMetrics:
        return LoadMetrics(self._table("dms_load_cdc_metrics", "load_key"))

    def topic(self, name: str = "dms-pipeline") -> Topic:
        return Topic(client(self.app, "sns"), name)

    def _table(self, name: str, sort_key: str) -> KeyedTable:
        dynamodb = client(self.app, "dynamodb")
        return KeyedTable(dynamodb, name, partition_key="pipeline", sort_key=sort_key)

    def lease(self, run_id: str) -> Lease:
        table = self._table("dms_load_checkpoints", "version")
        return Lease(
            table, pipeline=self.pipeline.name, run_id=run_id, ttl_s=300, clock=self.lease_clock
        )

    def objects(self, run_id: str = "run-1", *, force: bool = False) -> DmsObjects:
        pacing = Pacing(
            poll_interval_s=1,
            drain_window_s=5,
            instance_timeout_s=600,
            task_timeout_s=600,
            sleep=lambda _: None,
        )
        return DmsObjects(
            self.pipeline.name, run_id, self.dms, pacing, self.said.append, force=force
        )

    def load(self, run_id: str = "run-1") -> Load:
        return Load(
            self.pipeline, self.objects(run_id), self.checkpoints, self.metrics, self.lease(run_id)
        )

    def prepare(self, run_id: str = "run-1", *, cdc: bool = False) -> Load:
        """A load whose task is ready to start."""
        load = self.load(run_id)
        load.create_instance()
        load.test_connections()
        load.create_task("cdc" if cdc else "full-load-and-cdc")
        return load

    def run(self, run_id: str = "run-1", *, cdc: bool = False) -> None:
        """A whole load, from nothing to nothing."""
        load = self.prepare(run_id, cdc=cdc)
        load.run_task(self.source)
        load.record_load(self.source, self.target)
        load.delete_task()
        load.delete_instance()


def a_world(home: Path, **replaced: Any) -> World:
    engine = FakeEngine(Script(tables=[table_row(STUDENTS.schema, STUDENTS.table, Inserts=2)]))
    app = local_aws(home, engine, **replaced)
    world = World(engine, app, load_pipeline(PIPELINES, "studentdb"))
    for kind, name in (("source", "studentdb-source"), ("target", "studentdb-target")):
        engine_name = "mysql" if kind == "source" else "postgres"
        settings: dict[str, Any] = {
            "EngineName": engine_name,
            "ServerName": "127.0.0.1",
            "Port": 1,
            "Username": "dms_user",
            "Password": "secret",
        }
        if kind == "target":
            settings["DatabaseName"] = "auroradb"
        world.dms.put_endpoint(name, kind=kind, settings=settings)  # type: ignore[arg-type]
    world.topic().ensure(["somebody@example.com"])
    world.checkpoints.create_table()
    world.metrics.create_table()
    return world


@dataclass
class Mailbox:
    """A notifier that keeps what it is given, unless SNS refuses."""

    mails: list[tuple[str, str]] = field(default_factory=list)
    topics: list[str | None] = field(default_factory=list)
    refuses: bool = False

    def link(self, run_id: str) -> str:
        return f"http://ui/runs/{run_id}"

    def notify(self, *, subject: str, message: str, topic: str | None = None) -> None:
        if self.refuses:
            raise AwsError("SNS does not answer")
        self.mails.append((subject, message))
        self.topics.append(topic)


@dataclass
class Resources:
    """The DMS and checkpoints resources of a world."""

    world: World

    def client(self) -> Any:
        return self.world.dms

    def pacing(self) -> Any:
        return self.world.objects().pacing

    def lease(self, _pipeline: str, run_id: str) -> Any:
        return self.world.lease(run_id)
