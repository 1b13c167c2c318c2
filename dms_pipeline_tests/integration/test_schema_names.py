"""Real servers are asked for their schemas, by the engine and through the endpoint."""

from collections.abc import Iterator

import psycopg
import pytest

from dms_pipeline.errors import SourceError, TargetError
from dms_pipeline.local_dms.engine.schema_names import schema_names
from dms_pipeline.local_dms.servers import MySQLServer, PostgresServer
from dms_pipeline_tests.dms_objects import Objects, create_endpoint, create_instance
from dms_pipeline_tests.integration.test_local_aws_load import database_settings, run_on_source
from dms_pipeline_tests.wsgi_bridge import client, local_aws

NAME = "w_schema Namés"


def engine_settings(dsn: str) -> dict[str, object]:
    given = database_settings(dsn)
    return {
        "host": given["ServerName"],
        "port": given["Port"],
        "user": given["Username"],
        "password": given["Password"],
        "dbname": given.get("DatabaseName"),
    }


@pytest.fixture
def schemas(mysql: MySQLServer, postgres: PostgresServer) -> Iterator[None]:
    run_on_source(mysql.dsn, f"CREATE DATABASE `{NAME}`")
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        connection.execute(f'CREATE SCHEMA "{NAME}"')
        yield
        connection.execute(f'DROP SCHEMA "{NAME}"')
    run_on_source(mysql.dsn, f"DROP DATABASE `{NAME}`")


@pytest.mark.usefixtures("schemas")
def test_both_sides_list_what_users_made_and_nothing_of_the_server(mysql, postgres):
    on_source = schema_names("source", engine_settings(mysql.dsn))
    on_target = schema_names("target", engine_settings(postgres.dsn))
    assert NAME in on_source
    assert {NAME, "public"} <= set(on_target)
    server_own = {"mysql", "sys", "performance_schema", "information_schema", "pg_catalog"}
    assert not server_own & {*on_source, *on_target}
    assert on_source == sorted(on_source)


@pytest.mark.usefixtures("schemas")
def test_an_account_sees_the_schemas_that_it_may_use(postgres):
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        connection.execute("CREATE ROLE w_reader LOGIN PASSWORD 'secret'")
        try:
            settings = engine_settings(postgres.dsn) | {"user": "w_reader", "password": "secret"}
            assert NAME not in schema_names("target", settings)
            connection.execute(f'GRANT USAGE ON SCHEMA "{NAME}" TO w_reader')
            assert NAME in schema_names("target", settings)
        finally:
            connection.execute("DROP OWNED BY w_reader")
            connection.execute("DROP ROLE w_reader")


def test_servers_that_are_away_say_so(mysql, postgres):
    with pytest.raises(SourceError):
        schema_names("source", engine_settings(mysql.dsn) | {"port": 1})
    with pytest.raises(TargetError):
        schema_names("target", engine_settings(postgres.dsn) | {"port": 1})


@pytest.mark.usefixtures("schemas")
def test_describe_schemas_shows_what_is_really_there(tmp_path, mysql, postgres):
    with local_aws(tmp_path, schema_names=schema_names) as app:
        dms = client(app, "dms")
        objects = Objects(
            dms,
            create_instance(dms),
            create_endpoint(dms, "source", **database_settings(mysql.dsn)),
            create_endpoint(dms, "target", **database_settings(postgres.dsn)),
        )
        for arn in (objects.source, objects.target):
            dms.refresh_schemas(EndpointArn=arn, ReplicationInstanceArn=objects.instance)
            # A server that other tests have used has more than a page of them.
            pages = dms.get_paginator("describe_schemas").paginate(EndpointArn=arn)
            assert NAME in [name for page in pages for name in page["Schemas"]]
