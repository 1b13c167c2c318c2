import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from dms_pipeline.errors import StackError
from dms_pipeline.local_dms.stack import LocalStack
from dms_pipeline.local_dms.stack.endpoint import AwsEndpoint

HEALTHY_ENDPOINT = """
import http.server, sys
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Health).serve_forever()
"""


class ScriptedEndpoint(AwsEndpoint):
    """An endpoint that starts at once, or says why not: what the stack does with it is the same."""

    script = HEALTHY_ENDPOINT

    def command(self) -> list[str]:
        return [sys.executable, "-c", self.script, str(self.port), *self.signature()]


def stack_in(home: Path, script: str = HEALTHY_ENDPOINT) -> LocalStack:
    stack = LocalStack(home)
    endpoint = ScriptedEndpoint(stack.home / "aws")
    endpoint.script = script
    stack.aws = endpoint
    return stack


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[LocalStack]:
    stack = stack_in(tmp_path / "local")
    yield stack
    stack.down()


def states(stack: LocalStack) -> list[str]:
    return [component.state for component in stack.status().components]


def pids(stack: LocalStack) -> list[int]:
    found = [component.pid for component in stack.status().components]
    assert None not in found
    return [pid for pid in found if pid is not None]


def test_real_endpoint_answers_and_logins_work(local_stack):
    info = local_stack.info()
    with urllib.request.urlopen(f"{info.endpoint_url}/_health") as answer:
        assert answer.status == 200
    assert local_stack.status().is_up
    target = info.target
    with psycopg.connect(
        host=target.host,
        port=target.port,
        user=target.username,
        password=target.password,
        dbname=target.dbname,
    ) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_second_up_changes_nothing_and_is_quick(stack):
    first = stack.up()
    before = pids(stack)
    began = time.monotonic()
    assert stack_in(stack.home).up() == first
    assert time.monotonic() - began < 0.3
    assert pids(stack) == before


def test_down_keeps_data_and_addresses(stack):
    first = stack.up()
    stack.down()
    assert states(stack) == ["stopped"] * 3
    assert stack.up() == first


def test_stack_killed_whole_comes_back_as_it_was(stack):
    first = stack.up()
    for pid in pids(stack):
        os.kill(pid, signal.SIGKILL)
    assert stack.up() == first
    assert states(stack) == ["running"] * 3


def test_one_killed_part_is_started_again_and_the_others_are_left_alone(stack):
    stack.up()
    before = pids(stack)
    os.kill(before[2], signal.SIGKILL)
    stack.up()
    after = pids(stack)
    assert after[:2] == before[:2]
    assert after[2] != before[2]


def test_failing_part_stops_all_that_this_call_started(tmp_path):
    stack = stack_in(tmp_path / "local", script="raise SystemExit('no luck today')")
    with pytest.raises(StackError, match=r"(?s)local AWS endpoint.*ended while starting.*no luck"):
        stack.up()
    assert states(stack) == ["stopped"] * 3


def test_failing_part_leaves_alone_what_was_running_before(stack):
    stack.up()
    stack.aws.stop()
    broken = stack_in(stack.home, script="raise SystemExit('no luck today')")
    with pytest.raises(StackError, match="no luck today"):
        broken.up()
    assert states(stack) == ["running", "running", "stopped"]


def test_ups_at_the_same_time_make_one_stack(tmp_path):
    home = tmp_path / "local"
    script = (
        "import sys; from pathlib import Path; "
        "from dms_pipeline_tests.integration.test_servers_stack import stack_in; "
        "info = stack_in(Path(sys.argv[1])).up(); "
        "print(info.endpoint_url, info.source.port, info.target.port)"
    )
    commands = [
        subprocess.Popen([sys.executable, "-c", script, str(home)], stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    try:
        answers = {command.communicate()[0] for command in commands}
        assert [command.returncode for command in commands] == [0, 0, 0]
        assert len(answers) == 1
    finally:
        stack_in(home).down()


def test_interrupted_up_leaves_nothing_running(tmp_path):
    stack = stack_in(tmp_path / "local")
    script = (
        "import sys, time; from pathlib import Path; "
        "from dms_pipeline_tests.integration.test_servers_stack import stack_in; "
        "stack_in(Path(sys.argv[1]), 'import time; time.sleep(60)').up()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(stack.home)],
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as command:
        while states(stack) != ["running"] * 3:
            time.sleep(0.02)
        os.killpg(command.pid, signal.SIGINT)
        assert b"KeyboardInterrupt" in command.communicate()[1]
    assert states(stack) == ["stopped"] * 3


def test_reset_deletes_everything(stack):
    stack.up()
    stack.reset()
    assert not stack.home.exists()
    assert states(stack) == ["stopped"] * 3


def test_own_servers_are_used_as_they_are_and_remembered(stack, mysql, postgres):
    given = stack.up(mysql.dsn, postgres.dsn)
    assert states(stack) == ["external", "external", "running"]
    assert (given.source.username, given.source.port) == ("admin", mysql.port)
    assert (given.target.username, given.target.dbname) == ("admin", "auroradb")
    stack.down()
    assert mysql.pid is not None
    assert postgres.pid is not None
    assert stack.up() == given


def test_own_server_takes_the_place_of_the_private_one(stack, mysql):
    stack.up()
    stack.up(mysql.dsn)
    assert states(stack) == ["external", "running", "running"]
    assert stack.source.pid is None


@pytest.mark.parametrize("side", ["mysql", "postgres"])
def test_own_server_that_refuses_is_named_without_the_password(stack, side, request):
    server = request.getfixturevalue(side)
    dsn = server.dsn.replace(server.settings.admin_password, "s3cret")
    with pytest.raises(
        StackError, match=f"127.0.0.1:{server.port} cannot be used as admin"
    ) as error:
        stack.up(**{f"{side}_dsn": dsn})
    assert "s3cret" not in str(error.value)
    assert "running" not in states(stack)


def test_private_logins_are_in_a_file_of_this_user_only(stack):
    info = stack.up()
    path = stack.home / "stack.json"
    assert path.stat().st_mode & 0o077 == 0
    assert json.loads(path.read_text())["source"]["password"] == info.source.password
