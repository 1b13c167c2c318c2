"""The endpoint as the process that users start, over a real socket."""

import signal
import socket
import stat
import subprocess
import sys

import pytest

from dms_pipeline_tests.dms_objects import (
    create_endpoint,
    create_instance,
    wait,
)
from dms_pipeline_tests.local_endpoint import endpoint


def test_killed_process_loses_no_item_and_no_endpoint(tmp_path):
    key = [{"AttributeName": "pipeline", "KeyType": "HASH"}]
    attributes = [{"AttributeName": "pipeline", "AttributeType": "S"}]
    with endpoint(tmp_path) as (process, client):
        dynamodb = client("dynamodb")
        dynamodb.create_table(
            TableName="checkpoints",
            KeySchema=key,
            AttributeDefinitions=attributes,
            BillingMode="PAY_PER_REQUEST",
        )
        for number in range(30):
            dynamodb.put_item(TableName="checkpoints", Item={"pipeline": {"S": str(number)}})
        arn = create_endpoint(client("dms"), "source")
        process.send_signal(signal.SIGKILL)
        process.wait()
    with endpoint(tmp_path) as (_, client):
        items = client("dynamodb").scan(TableName="checkpoints")["Items"]
        assert sorted(int(i["pipeline"]["S"]) for i in items) == list(range(30))
        (shown,) = client("dms").describe_endpoints()["Endpoints"]
        assert shown["EndpointArn"] == arn


def test_address_that_others_can_reach_is_warned_of(tmp_path):
    for host, is_warned in (("127.0.0.1", False), ("0.0.0.0", True)):
        with endpoint(tmp_path, "--host", host) as (_, client):
            client("dms").describe_endpoints()
        assert (
            "warning: listening on 0.0.0.0" in (tmp_path / "stderr.log").read_text()
        ) is is_warned


@pytest.mark.parametrize(
    ("option", "words"),
    [(("--host", "here"), "not an IPv4 address"), (("--smtp", "mail"), "not the host:port")],
)
def test_option_that_cannot_be_used_is_refused_in_words(tmp_path, option, words):
    command = [sys.executable, "-m", "dms_pipeline.local_dms", "--port", "0", "--home", tmp_path]
    ended = subprocess.run([*command, *option], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_process_with_status_0(tmp_path, number):
    with endpoint(tmp_path) as (process, _):
        process.send_signal(number)
        assert process.wait(timeout=10) == 0


def test_instance_follows_the_waiters_over_the_wire(tmp_path):
    with endpoint(tmp_path) as (_, client):
        dms = client("dms")
        arn = create_instance(dms, delay_s=0.02)
        dms.delete_replication_instance(ReplicationInstanceArn=arn)
        wait(dms, "replication_instance_deleted", "replication-instance-arn", arn, delay_s=0.02)


def test_everything_it_writes_is_private(tmp_path):
    with endpoint(tmp_path) as (_, client):
        create_endpoint(client("dms"), "source")
        sns = client("sns")
        topic = sns.create_topic(Name="t")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="a@example.com")
        sns.publish(TopicArn=topic, Message="x")
        written = [path for path in tmp_path.rglob("*") if path.name != "stderr.log"]
        assert len(written) > 6
        for path in written:
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dms_pipeline.local_dms", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


def test_wrong_option_is_one_clear_message():
    done = run("--port", "x", "--home", "h")
    assert done.returncode == 2
    assert "invalid int value: 'x'" in done.stderr


def test_second_process_on_the_same_folder_is_refused(tmp_path):
    with endpoint(tmp_path):
        done = run("--port", "0", "--home", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("another local AWS endpoint is running with")


def test_taken_port_is_one_clear_message(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("--port", str(port), "--home", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith(f"cannot listen on 127.0.0.1:{port}")
    assert "Traceback" not in done.stderr
