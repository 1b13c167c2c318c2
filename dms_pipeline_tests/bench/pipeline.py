"""A pipeline on the servers and the endpoint of the bench, as somebody would set it up."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

import dms_pipeline
from dms_pipeline.deployments import deployment
from dms_pipeline.local_dms.servers import MySQLServer, PostgresServer
from dms_pipeline.pipeline_config import load_pipelines
from dms_pipeline.provisioning import provision
from dms_pipeline_tests.bench.dagster_jobs import DagsterHome, JobRun, dagster_home
from dms_pipeline_tests.bench.servers import Servers
from dms_pipeline_tests.bench.tables import Table
from dms_pipeline_tests.two_sides import credentials

_PACKAGE = Path(dms_pipeline.__file__).parent
_DEFINITIONS = "dms_pipeline.definitions"
_EMAIL = "you@localhost"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One pipeline in a home folder of its own, with a checkpoint: it can be loaded."""

    name: str
    dagster: DagsterHome

    def load(self) -> JobRun:
        """An incremental load with all its checks; raises `BenchError` if it fails."""
        return self.dagster.execute(_DEFINITIONS, f"{self.name}_incremental_load")


def make_pipeline(
    home: Path,
    servers: Servers,
    endpoint_url: str,
    tables: Sequence[Table],
    settings: Mapping[str, str],
) -> Pipeline:
    """A pipeline for tables of one schema that both sides hold already, named as the schema.

    Args:
        home: an empty folder for its configuration and Dagster's records.
        servers: where the tables are.
        endpoint_url: where its runs find AWS.
        tables: what it loads.
        settings: environment variables of its runs.
    """
    name = tables[0].schema
    _write_configuration(home / "pipelines" / name, tables)
    (home / "stack.json").write_text(json.dumps({"endpoint_url": endpoint_url}))
    folders = {"DMS_LOCAL_HOME": str(home), "DMS_PIPELINES_DIR": str(home / "pipelines")}
    made = Pipeline(name, dagster_home(home / "dagster", **folders, **settings))
    _provision(made, servers)
    with servers.source() as source:
        source.execute("SHOW MASTER STATUS")
        file, offset = source.fetchone()[:2]
    made.dagster.run(
        "dms_pipeline.cli",
        *("checkpoint", "set", name, f"{file}:{offset}", "--reason", "the tables are filled"),
    )
    return made


def dms_dsn(server: MySQLServer | PostgresServer) -> str:
    """The login of DMS's own user."""
    database = server.dbname if isinstance(server, PostgresServer) else ""
    return f"db://{dms_login(server)}@127.0.0.1:{server.port}/{database}"


def dms_login(server: MySQLServer | PostgresServer) -> str:
    """User and password as in a URL."""
    return f"{server.dms_user}:{server.dms_password}"


def _write_configuration(folder: Path, tables: Sequence[Table]) -> None:
    folder.mkdir(parents=True)
    shipped = _PACKAGE / "pipelines" / "studentdb"
    pipeline = yaml.safe_load((shipped / "pipeline.yaml").read_text())
    for side in ("source", "target"):
        pipeline[side] = {key: f"{folder.name}-{side}" for key in ("endpoint", "secret")}
    pipeline["tables"] = [{"schema": table.schema, "table": table.name} for table in tables]
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(pipeline))
    mappings = json.loads((shipped / "table_mappings.json").read_text())
    [rule] = mappings["rules"]
    rule |= {
        "object-locator": {"schema-name": folder.name, "table-name": "%"},
        "rule-action": "include",
    }
    (folder / "table_mappings.json").write_text(json.dumps(mappings))
    settings = (shipped / "task_settings.json").read_text()
    (folder / "task_settings.json").write_text(settings)


def _provision(pipeline: Pipeline, servers: Servers) -> None:
    here = deployment(os.environ | pipeline.dagster.environment)
    provision(
        here,
        load_pipelines(here.pipelines).pipelines,
        source=credentials(dms_dsn(servers.mysql)),
        target=credentials(dms_dsn(servers.postgres)),
        email=_EMAIL,
    )
