"""What goes wrong is said once and clearly, leaves nothing behind, and is over when it is mended.

Each case is a real `dms-pipeline`; all share one stack, and every test leaves it whole.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dms_pipeline_tests.e2e.local_run import NAME, LocalRun, change_yaml, new_local_run

_INCREMENTAL = ("run", "studentdb", "incremental")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    with new_local_run(tmp_path_factory.mktemp("bad-input")) as run:
        yield run


def _refused(run: LocalRun, *arguments: str, **changes: str) -> str:
    """The one message with which the command fails."""
    done = run.command(*arguments, **changes)
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "Traceback" not in said
    assert said.count("error: ") == 1, said
    for password in (*run.passwords(), "geheim"):
        assert password not in said
    assert "Not executing" not in said
    return done.stderr.partition("error: ")[2].strip()


def _refused_without_a_trace(run: LocalRun, *arguments: str, **changes: str) -> str:
    before = run.checkpoints()
    message = _refused(run, *arguments, **changes)
    assert run.checkpoints() == before
    assert run.left_in_dms() == []
    return message


def _line_of_yaml(folder: Path) -> None:
    path = folder / "pipeline.yaml"
    path.write_text(path.read_text().replace("target:", "target: ["))


def _unknown_field(folder: Path) -> None:
    change_yaml(folder / "pipeline.yaml", lambda content: content["schedule"].update(chron="x"))


def _line_of_mapping(folder: Path) -> None:
    path = folder / "table_mappings.json"
    path.write_text(path.read_text().replace('"rule-id": "1",', '"rule-id": "1"'))


def _renamed(folder: Path) -> None:
    folder.rename(folder.with_name("other"))


def _missing_and_keyless_table(folder: Path) -> None:
    tables = ({"schema": "studentdb", "table": name} for name in ("teachers", "keyless"))
    change_yaml(folder / "pipeline.yaml", lambda content: content["tables"].extend(tables))
    mapping = folder / "table_mappings.json"
    mapping.write_text(
        mapping.read_text().replace('"table-name": "student_details"', '"table-name": "%"')
    )


def _unselected_table(folder: Path) -> None:
    table = {"schema": "studentdb", "table": "teachers"}
    change_yaml(folder / "pipeline.yaml", lambda content: content["tables"].append(table))


@pytest.mark.parametrize(
    ("name", "change", "named"),
    [
        ("yaml", _line_of_yaml, ["pipeline.yaml, line ", "not valid YAML"]),
        ("field", _unknown_field, ["pipeline.yaml", "schedule.chron: Extra inputs"]),
        ("mapping", _line_of_mapping, ["table_mappings.json, line 6", "not valid JSON"]),
        ("selected", _unselected_table, ["studentdb.teachers is not selected by table_mappings"]),
        (
            "tables",
            _missing_and_keyless_table,
            [
                "2 problems",
                "no table studentdb.teachers",
                "create it",
                "studentdb.keyless has no primary key; add one",
            ],
        ),
    ],
)
def test_a_wrong_pipeline_folder_is_named_with_its_place(
    loaded: LocalRun, name: str, change: Callable[[Path], None], named: list[str]
):
    loaded.execute("CREATE TABLE IF NOT EXISTS studentdb.keyless (number int)")
    wrong = loaded.pipelines_with(name, change)
    message = _refused_without_a_trace(loaded, *_INCREMENTAL, DMS_PIPELINES_DIR=wrong)
    for part in named:
        assert part in message


@pytest.mark.parametrize(
    ("arguments", "changes", "named"),
    [
        (("run", "nosuch", "incremental"), {}, "no pipeline 'nosuch'.*there is: studentdb"),
        (("run", "studentdb", "full-load"), {}, "loaded before.*full-load --reload"),
        (_INCREMENTAL, {"DMS_PIPELINE_DEPLOYMENT": "nonsense"}, "nonsense.*local or aws"),
        (("local", "up", "--mysql-dsn", "mysql://me:geheim@127.0.0.1:1/"), {}, "127.0.0.1:1 .*me"),
        (("local", "up", "--mysql-dsn", "mysql://me:ge/heim@a/"), {}, "mysql://user:password@host"),
        (("local", "up", "--postgres-dsn", "postgresql://me:ge%zzheim@a/b"), {}, "postgresql DSN"),
    ],
)
def test_a_wrong_argument_or_variable_is_named_with_what_is_needed(
    loaded: LocalRun, arguments: tuple[str, ...], changes: dict[str, str], named: str
):
    message = _refused_without_a_trace(loaded, *arguments, **changes)
    assert re.search(named, message, re.DOTALL), message
    assert "ge%zzheim" not in message


def test_an_incremental_load_before_any_full_load_names_the_full_load(loaded: LocalRun):
    new = loaded.pipelines_with("new", _renamed)
    message = _refused_without_a_trace(loaded, "run", "other", "incremental", DMS_PIPELINES_DIR=new)
    assert "no full load was done yet" in message
    assert "`dms-pipeline run other full-load`" in message


def test_databases_that_are_down_are_named_together_and_the_next_run_catches_up(loaded: LocalRun):
    loaded.insert(2)
    before = loaded.checkpoints()
    loaded.kill("source")
    try:
        first = _refused(loaded, *_INCREMENTAL)
        loaded.kill("target")
        second = _refused(loaded, *_INCREMENTAL)
    finally:
        loaded.succeed("local", "up")
    assert "cannot connect to source mysql at 127.0.0.1:" in first
    assert "`dms-pipeline local up`" in first
    assert "target" not in first
    assert "cannot connect to source mysql at 127.0.0.1:" in second
    assert "cannot connect to the target PostgreSQL at 127.0.0.1:" in second
    assert loaded.checkpoints() == before
    assert loaded.left_in_dms() == []
    loaded.load_incrementally()


def test_an_aws_endpoint_that_is_down_is_named_and_the_next_run_catches_up(loaded: LocalRun):
    loaded.insert(2)
    before = loaded.checkpoints()
    loaded.kill("aws")
    try:
        message = _refused(loaded, *_INCREMENTAL)
    finally:
        loaded.succeed("local", "up")
    assert "AWS did not answer" in message
    assert "`dms-pipeline local up`" in message
    assert loaded.checkpoints() == before
    assert loaded.left_in_dms() == []
    loaded.load_incrementally()


def test_wrong_passwords_in_the_secrets_are_refused_before_anything_is_created(loaded: LocalRun):
    secrets = loaded.client("secretsmanager")
    names = ("studentdb-source", "studentdb-target")
    right = {name: secrets.get_secret_value(SecretId=name)["SecretString"] for name in names}
    loaded.insert(1)
    for name, text in right.items():
        wrong = json.dumps({**json.loads(text), "password": "geheim"})
        secrets.put_secret_value(SecretId=name, SecretString=wrong)
    try:
        message = _refused_without_a_trace(loaded, *_INCREMENTAL)
    finally:
        for name, text in right.items():
            secrets.put_secret_value(SecretId=name, SecretString=text)
    assert "nothing was created: 2 problems" in message
    assert "Access denied for user 'dms_user'" in message
    assert 'authentication failed for user "dms_user"' in message
    assert message.count("password in its secret right?") == 2
    loaded.load_incrementally()


def test_a_wrong_password_in_an_endpoint_is_found_by_the_connection_test(loaded: LocalRun):
    dms = loaded.client("dms")
    loaded.insert(1)
    try:
        wrong: list[str] = []
        for side in ("target", "source"):
            by_name = [{"Name": "endpoint-id", "Values": [f"studentdb-{side}"]}]
            arn = dms.describe_endpoints(Filters=by_name)["Endpoints"][0]["EndpointArn"]
            dms.modify_endpoint(EndpointArn=arn, Password="geheim")
            message = _refused_without_a_trace(loaded, *_INCREMENTAL)
            wrong = [f"the {side} endpoint studentdb-{side}: ", *wrong]
            assert f"DMS cannot connect to {wrong[0]}" in message
            assert all(endpoint in message for endpoint in wrong)
            assert "the instance was deleted" in message
    finally:
        # It gives the endpoints their logins anew.
        loaded.succeed("local", "up")
    loaded.load_incrementally()


def _checkpoint(run: LocalRun, version: str) -> str:
    (found,) = (item for item in run.checkpoints() if item["version"]["S"] == version)
    text: str = found["checkpoint"]["S"]
    return text


def test_checkpoint_moves_by_hand_only_to_where_the_source_can_be_read(loaded: LocalRun):
    loaded.insert(1)
    loaded.load_incrementally()
    first, latest = _checkpoint(loaded, "0000000001"), _checkpoint(loaded, "latest")
    where = ("--reason", "the table was damaged")
    back = ("checkpoint", "rewind", "studentdb", "1", *where)
    assert "With --force the changes since then are loaded again" in _refused(loaded, *back)
    loaded.execute("FLUSH BINARY LOGS")
    loaded.succeed(*back, "--force")
    assert loaded.succeed("checkpoint", "show", "studentdb").strip() == first
    history = loaded.succeed("checkpoint", "history", "studentdb")
    assert "run         by hand: " in history
    assert "reason      the table was damaged" in history
    assert history.count(first) == 2
    newest = loaded.source_logs()[-1]
    loaded.execute(f"PURGE BINARY LOGS TO '{newest}'")
    for arguments in (("rewind", "studentdb", "1"), ("set", "studentdb", latest)):
        message = _refused(loaded, "checkpoint", *arguments, *where, "--force")
        assert f"is gone from the source; the oldest left is {newest}" in message
    message = _refused(loaded, *_INCREMENTAL)
    assert "Do a full load with reload" in message
    message = _refused(loaded, "checkpoint", "set", "studentdb", f"{newest}:99999", *where)
    assert "where the source's binary log ends" in message
    loaded.succeed("checkpoint", "set", "studentdb", f"{newest}:4", *where)
    loaded.load_incrementally()


def test_a_leftover_instance_of_another_run_is_named_until_it_is_cleaned_up(loaded: LocalRun):
    loaded.insert(1)
    before = loaded.checkpoints()
    dms = loaded.client("dms")
    dms.create_replication_instance(
        ReplicationInstanceIdentifier=NAME,
        ReplicationInstanceClass="dms.t3.medium",
        Tags=[{"Key": "run_id", "Value": "the-other-run"}],
    )
    dms.get_waiter("replication_instance_available").wait(WaiterConfig={"Delay": 1})
    message = _refused(loaded, *_INCREMENTAL)
    assert f"instance {NAME} is left over from run the-other-run" in message
    assert "`dms-pipeline cleanup studentdb`" in message
    assert loaded.left_in_dms() == [f"instance {NAME}"]
    assert loaded.checkpoints() == before
    loaded.succeed("cleanup", "studentdb")
    loaded.load_incrementally()


def test_a_damaged_stack_file_is_named_and_its_deletion_mends_it(loaded: LocalRun):
    path = loaded.home / "stack.json"
    right, before = path.read_text(), loaded.checkpoints()
    path.write_text("[]")
    try:
        message = _refused(loaded, *_INCREMENTAL)
        assert f"{path} is damaged; delete it, then `dms-pipeline local up`" in message
        assert f"{path} is not readable" in _refused(loaded, "local", "up")
        path.unlink()
        loaded.succeed("local", "up")
        assert json.loads(path.read_text()) == json.loads(right)
    finally:
        path.write_text(right)
    assert loaded.checkpoints() == before
    assert loaded.left_in_dms() == []


def test_a_run_before_the_stack_was_ever_started_does_not_stand_in_its_way(
    loaded: LocalRun, tmp_path: Path
):
    home = tmp_path / "new"
    for arguments in (_INCREMENTAL, ("cleanup", "studentdb")):
        message = _refused(loaded, *arguments, DMS_LOCAL_HOME=str(home))
        assert "here is no local stack in" in message
        assert "dms-pipeline local up" in message
    assert not home.exists(), "`local up` would refuse a folder that is not its own"


def _below_a_file(path: Path) -> Path:
    path.write_text("not a folder")
    return path / "below"


def _foreign(path: Path) -> Path:
    path.mkdir()
    (path / "thesis.txt").write_text("of somebody else")
    return path


@pytest.mark.parametrize("make", [_below_a_file, _foreign])
def test_a_folder_that_cannot_be_the_home_is_refused_and_left_alone(
    loaded: LocalRun, tmp_path: Path, make: Callable[[Path], Any]
):
    home = make(tmp_path / "home")
    before = sorted(tmp_path.rglob("*"))
    message = _refused(loaded, "local", "up", DMS_LOCAL_HOME=str(home))
    assert str(home) in message
    assert "DMS_LOCAL_HOME" in message
    assert sorted(tmp_path.rglob("*")) == before
