"""Accounts that may not do what a task needs: the failure names account, object and remedy."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from dms_pipeline_tests.e2e.case_runs import drop_on_target, source_end, wait_until_applied
from dms_pipeline_tests.engine_driver import STOP_ON_ERRORS, EngineRun, include
from dms_pipeline_tests.integration.test_engine_full_load_and_cdc import Source
from dms_pipeline_tests.source_kinds import on_mariadb, on_mysql_in_soak

SCHEMA = "e_privileges"
LAME = "e_privileges_lame"
REPLICATION = ("REPLICATION SLAVE ON *.*", "REPLICATION CLIENT ON *.*")
FULL_LOAD: dict[str, Any] = {
    "migration_type": "full-load-and-cdc",
    "full_load": {"StopTaskCachedChangesApplied": True},
}


@pytest.fixture
def source(source_server, postgres) -> Iterator[Source]:
    opened = Source(source_server.dsn, SCHEMA)
    opened.run(f"CREATE TABLE {SCHEMA}.t (a int PRIMARY KEY)")
    opened.run(f"CREATE TABLE {SCHEMA}.u (a int PRIMARY KEY)")
    drop_on_target(postgres.dsn, SCHEMA)
    yield opened
    opened.run(f"DROP USER IF EXISTS {LAME}@'%'")
    opened.run(f"DROP DATABASE {SCHEMA}")
    opened.close()


@pytest.fixture
def role(postgres) -> Iterator[str]:
    """The DSN of an account on the target that may nothing but connect."""
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {LAME} LOGIN PASSWORD 'secret'")
        yield f"postgresql://{LAME}:secret@127.0.0.1:{postgres.port}/{postgres.dbname}"
        connection.execute(f"DROP OWNED BY {LAME} CASCADE")
        connection.execute(f"DROP ROLE {LAME}")


def start(source_dsn: str, target_dsn: str, **options: Any) -> EngineRun:
    options.setdefault("settings", STOP_ON_ERRORS)
    return EngineRun(source_dsn, target_dsn, rules=[include(SCHEMA)], **options)


def failure(run: EngineRun, reason: str = "FATAL_ERROR") -> str:
    end = run.wait()
    assert (end["type"], end.get("reason")) == ("failed", reason), end
    assert "secret" not in end["message"] + "".join(run.log)
    return str(end["message"])


def loaded(source: Source, postgres) -> str:
    """The checkpoint after a load by accounts that may everything, with changes behind it."""
    run = start(source.dsn, postgres.dsn, **FULL_LOAD)
    assert run.wait()["type"] == "stopped"
    source.run(f"INSERT INTO {SCHEMA}.t VALUES (1)")
    source.run(f"INSERT INTO {SCHEMA}.u VALUES (1)")
    assert run.checkpoint is not None
    return run.checkpoint


def account(source: Source, port: int, *grants: str) -> str:
    source.run(f"DROP USER IF EXISTS {LAME}@'%'")
    source.run(f"CREATE USER {LAME}@'%' IDENTIFIED BY 'secret'")
    for grant in grants:
        source.run(f"GRANT {grant} TO {LAME}@'%'")
    return f"mysql://{LAME}:secret@127.0.0.1:{port}/"


def test_what_the_account_of_the_source_lacks_is_named(source, source_server, postgres):
    checkpoint = loaded(source, postgres)

    def capture(*grants: str) -> str:
        dsn = account(source, source_server.port, *grants)
        return failure(start(dsn, postgres.dsn, position=checkpoint))

    for missing, message in (
        ("REPLICATION SLAVE", capture("REPLICATION CLIENT ON *.*", "SELECT ON *.*")),
        ("REPLICATION CLIENT", capture("REPLICATION SLAVE ON *.*", "SELECT ON *.*")),
    ):
        assert f"as user {LAME}" in message
        assert "(1227)" in message
        assert f"{missing}" in message
        assert "the account needs REPLICATION CLIENT and REPLICATION SLAVE on *.*" in message
    one_table = capture(*REPLICATION, f"SELECT ON {SCHEMA}.t")
    assert f"table {SCHEMA}.u: " in one_table
    assert "the account of the endpoint has no SELECT on it" in one_table
    assert f"does {LAME} have SELECT?" in capture(*REPLICATION)


def test_table_that_the_account_cannot_see_is_warned_of(source, source_server, postgres):
    """The server hides it, so the load cannot know its name."""
    dsn = account(source, source_server.port, *REPLICATION, f"SELECT ON {SCHEMA}.t")
    run = start(dsn, postgres.dsn, **FULL_LOAD)
    assert run.wait()["type"] == "stopped"
    warning = f"{LAME} may not read everything that a selection of {SCHEMA}.% can mean"
    assert warning in "".join(run.log)
    assert f"GRANT SELECT ON `{SCHEMA}`.* TO {LAME}" in "".join(run.log)
    dsn = account(source, source_server.port, *REPLICATION, f"SELECT ON {SCHEMA}.*")
    run = start(dsn, postgres.dsn, **FULL_LOAD)
    assert run.wait()["type"] == "stopped"
    assert warning not in "".join(run.log)


def test_column_that_the_account_cannot_see_fails_the_load(source, source_server, postgres):
    source.run(f"ALTER TABLE {SCHEMA}.u ADD COLUMN b int")
    dsn = account(source, source_server.port, *REPLICATION, f"SELECT (a) ON {SCHEMA}.u")
    for rule in (include(SCHEMA), include(SCHEMA, "u")):
        run = EngineRun(dsn, postgres.dsn, rules=[rule], **FULL_LOAD)
        message = failure(run)
        assert f"{LAME} may not read table {SCHEMA}.u, or not every column of it" in message
        assert f"GRANT SELECT ON `{SCHEMA}`.`u` TO {LAME}" in message


@on_mysql_in_soak
def test_account_that_cannot_log_in_to_the_source_fails_at_once(source, source_server, postgres):
    dsn = account(source, source_server.port, "ALL ON *.*")

    def refusal(change: str, reason: str = "FATAL_ERROR") -> str:
        source.run(f"ALTER USER {LAME}@'%' {change}")
        message = failure(start(dsn, postgres.dsn, **FULL_LOAD), reason)
        assert message.startswith("cannot connect to source")
        assert f"as user {LAME}" in message
        return message

    assert "ACCOUNT UNLOCK" in refusal("ACCOUNT LOCK")
    source.run(f"ALTER USER {LAME}@'%' ACCOUNT UNLOCK")
    assert "password of the endpoint" in refusal("IDENTIFIED BY 'another secret'")


@on_mysql_in_soak
def test_connections_used_up_are_waited_for(source, source_server, postgres):
    """One is enough to begin, and the second, which reads the log, comes when it may."""
    checkpoint = loaded(source, postgres)
    dsn = account(source, source_server.port, *REPLICATION, "SELECT ON *.*")
    source.run(f"ALTER USER {LAME}@'%' WITH MAX_USER_CONNECTIONS 1")
    retries = {"ErrorBehavior": {"RecoverableErrorCount": 9, "RecoverableErrorInterval": 1}}
    run = start(dsn, postgres.dsn, position=checkpoint, settings=retries)
    run.wait_for_log("raise max_connections")
    source.run(f"ALTER USER {LAME}@'%' WITH MAX_USER_CONNECTIONS 0")
    wait_until_applied(run, source_end(source.dsn))
    run.stop()
    assert run.wait()["type"] == "stopped"


@on_mariadb
def test_what_the_account_of_the_target_lacks_is_named(source, postgres, role):
    checkpoint = loaded(source, postgres)
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:

        def capture(*grants: str, reason: str = "FATAL_ERROR", load: bool = False) -> str:
            for grant in grants:
                connection.execute(grant)
            options = FULL_LOAD if load else {"position": checkpoint}
            return failure(start(source.dsn, role, **options), reason)

        def grants(text: str, *objects: str) -> list[str]:
            return [f"GRANT {text} ON {name} TO {LAME}" for name in objects]

        control = [
            f"public.{table}"
            for table in ("local_dms_definitions", "awsdms_txn_state", "awsdms_apply_exceptions")
        ]
        no_control_table = capture(*grants("ALL", control[0]))
        assert f"TRUNCATE ON TABLE awsdms_txn_state TO {LAME}" in no_control_table
        assert f"GRANT USAGE, CREATE ON SCHEMA {SCHEMA} TO" in capture(*grants("ALL", *control))
        one_table = capture(
            *grants("USAGE", f"SCHEMA {SCHEMA}"),
            *grants("ALL", f"{SCHEMA}.t"),
            *grants("SELECT, UPDATE, DELETE", f"{SCHEMA}.u"),
        )
        assert f"insert in table {SCHEMA}.u, key (1)" in one_table
        assert f"GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON TABLE u TO {LAME}" in one_table
        assert f" OWNER TO {LAME}" in capture(load=True)
        connection.execute(f"DROP SCHEMA {SCHEMA} CASCADE")
        database = f"CREATE, TEMPORARY ON DATABASE {postgres.dbname} TO {LAME}"
        assert database in capture(load=True)
        connection.execute(f"CREATE SCHEMA {SCHEMA}")
        assert f"GRANT USAGE, CREATE ON SCHEMA {SCHEMA} TO {LAME}" in capture(load=True)
        read_only = f"ALTER ROLE {LAME} SET default_transaction_read_only = on"
        assert "default_transaction_read_only is on" in capture(read_only)
        limit = f"ALTER ROLE {LAME} CONNECTION LIMIT 0"
        assert "CONNECTION LIMIT" in capture(limit, reason="RECOVERABLE_ERROR")
        login = capture(f"ALTER ROLE {LAME} NOLOGIN CONNECTION LIMIT -1")
        assert f'role "{LAME}" is not permitted to log in; ALTER ROLE' in login
        password = capture(f"ALTER ROLE {LAME} LOGIN PASSWORD 'another secret'")
        assert f'password authentication failed for user "{LAME}"' in password
