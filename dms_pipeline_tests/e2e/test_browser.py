"""The local endpoint's pages in a real browser, as their user sees them.

The pictures in docs/local-dms.md are made here:

    python -m pytest dms_pipeline_tests/e2e/test_browser.py --screenshots docs/images
"""

import json
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from dms_pipeline.cli import students
from dms_pipeline.local_dms.servers import MySQLServer, PostgresServer
from dms_pipeline_tests.chromium import Chromium, Page, chromium
from dms_pipeline_tests.dms_objects import (
    TABLE_MAPPINGS,
    Objects,
    create_endpoint,
    create_instance,
    wait,
)
from dms_pipeline_tests.e2e.case_runs import drop_on_target
from dms_pipeline_tests.integration.test_local_aws_load import database_settings, until
from dms_pipeline_tests.local_endpoint import Client, endpoint

DESKTOP, PHONE = (1200, 800), (390, 844)
NAME = "dms-pipeline-studentdb"
POLL_S = 0.1
CHECKPOINTS = "dms_load_checkpoints"
DBA = "dba@example.com"
CONFIRMATION = "AWS Notification - Subscription Confirmation"
DONE = "100 %, 3 tables loaded"
LOADED = "studentdb loaded: full load of 15 rows, 0 inserts, 0 updates, 0 deletes"
REPORT = """\
Pipeline studentdb was loaded: full load of 15 rows, 0 inserts, 0 updates, 0 deletes.

Table                        Full load    Inserts    Updates    Deletes
studentdb.courses                    3          0          0          0
studentdb.enrollments                5          0          0          0
studentdb.student_details            7          0          0          0

Stopped     once the full load was applied (STOPPED_AFTER_CACHED_EVENTS)
Checkpoint  number 1: checkpoint:V1#1#mysql-bin-changelog.000003:3118:-1:3149:0:\
mysql-bin-changelog.000003:2771#0#0#*#0#93
"""
HOSTILE = "<script>document.title='ran'</script><img src=//evil.example onerror=alert(1)>"
HOSTILE_LINK = "http://evil.example/\"onclick='alert(1)'><b>bold</b>"
LONG = "x" * 300
# What no page has.
_FOREIGN = """[...document.querySelectorAll('script,img,b,iframe,form,[onclick],[onerror]')].map(
  e => e.outerHTML)"""
_TOO_WIDE = """[...document.body.querySelectorAll('*')].filter(
  e => getComputedStyle(e).display !== 'inline' && e.scrollWidth > e.clientWidth
).map(e => e.outerHTML)"""
_ROWS = """(heading => {
  const found = [...document.querySelectorAll('h1,h2')].find(h => h.innerText === heading);
  return found && [...found.nextElementSibling.querySelectorAll('tr')].map(
    row => [...row.children].map(cell => cell.innerText));
})(%s)"""


@dataclass(frozen=True, slots=True)
class Aws:
    """The local endpoint with a tab of a browser."""

    client: Client
    page: Page
    shots: Path | None

    @property
    def url(self) -> str:
        return str(self.client("dms").meta.endpoint_url)

    def visit(self, path: str) -> None:
        self.page.visit(self.url + path)

    def shoot(self, name: str, size: tuple[int, int] = DESKTOP) -> None:
        """A picture for the docs, if they are being made."""
        if self.shots is not None:
            self.page.resize(*size)
            self.page.screenshot(self.shots / f"{name}.png")

    def assert_fits(self) -> None:
        """Nothing is to the right of what a window or a phone shows, nor of a box within it."""
        for width, height in (DESKTOP, PHONE):
            self.page.resize(width, height)
            assert self.page.until("innerWidth") == width
            assert self.page.until("document.documentElement.scrollWidth") <= width
            assert self.page.until(f"({_TOO_WIDE}).join() || 'none'") == "none"


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def aws(tmp_path: Path, browser: Chromium, pytestconfig: pytest.Config) -> Iterator[Aws]:
    """Whatever a test does, its pages ask nobody else and the browser complains of nothing."""
    shots = pytestconfig.getoption("--screenshots")
    with endpoint(tmp_path) as (_, client):
        page = Page.opened(browser)
        page.resize(*DESKTOP)
        aws = Aws(client, page, shots)
        yield aws
        page.close()
        assert {urlsplit(url).netloc for url in page.requested()} == {urlsplit(aws.url).netloc}
        assert page.complaints() == []
    assert "Traceback" not in (tmp_path / "stderr.log").read_text()


@pytest.fixture
def source(mysql: MySQLServer, postgres: PostgresServer) -> Iterator[Callable[[str], None]]:
    """The student database; a function that changes it."""

    def execute(statement: str) -> None:
        with students.connect(mysql.dsn) as connection:
            students.execute(connection, statement)

    execute(f"DROP DATABASE IF EXISTS {students.SCHEMA}")
    with students.connect(mysql.dsn) as connection:
        students.create_table(connection)
        students.insert(connection, students.first_students())
    execute("CREATE TABLE studentdb.courses (id int PRIMARY KEY, title varchar(30))")
    execute("INSERT INTO studentdb.courses VALUES (1, 'Databases'), (2, 'Law'), (3, 'Statistics')")
    execute(
        "CREATE TABLE studentdb.enrollments (student_id int, course_id int, PRIMARY KEY "
        "(student_id, course_id))"
    )
    execute("INSERT INTO studentdb.enrollments VALUES (1, 1), (1, 3), (2, 1), (3, 2), (7, 1)")
    yield execute
    execute(f"DROP DATABASE {students.SCHEMA}")
    drop_on_target(postgres.dsn, students.SCHEMA)


def start_load(dms: Any, mysql: MySQLServer, postgres: PostgresServer) -> tuple[Objects, str]:
    """Loads the student database and follows its changes; the task."""
    arn = create_instance(dms, NAME, delay_s=POLL_S)
    ends = [
        create_endpoint(
            dms, kind, EndpointIdentifier=f"studentdb-{kind}", **database_settings(server.dsn)
        )
        for kind, server in (("source", mysql), ("target", postgres))
    ]
    for end in ends:
        dms.test_connection(ReplicationInstanceArn=arn, EndpointArn=end)
    wait(dms, "test_connection_succeeds", "replication-instance-arn", arn, POLL_S)
    objects = Objects(dms, arn, *ends)
    task = objects.create_task(NAME, "full-load-and-cdc", TableMappings=TABLE_MAPPINGS)
    objects.start(task)
    until(objects, task, "running")
    return objects, task


def create_checkpoints(dynamodb: Any, *items: dict[str, str]) -> None:
    dynamodb.create_table(
        TableName=CHECKPOINTS, BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": "pipeline", "KeyType": "HASH"},
            {"AttributeName": "version", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "pipeline", "AttributeType": "S"},
            {"AttributeName": "version", "AttributeType": "S"},
        ],
    )  # fmt: skip
    for item in items:
        dynamodb.put_item(
            TableName=CHECKPOINTS, Item={name: {"S": text} for name, text in item.items()}
        )


def subscribe(sns: Any) -> str:
    topic: str = sns.create_topic(Name="dms-pipeline")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=DBA)
    return topic


def rows(page: Page, heading: str) -> list[list[str]]:
    """The table below a heading, its columns' names first."""
    found: list[list[str]] = page.until(_ROWS % json.dumps(heading))
    return found


def until_row(page: Page, heading: str, *cells: str) -> None:
    """Waits until a table has a row that begins so; nothing loads the page but itself."""
    begins = f"row => {json.dumps(cells)}.every((cell, place) => row[place] === cell)"
    page.until(f"({_ROWS % json.dumps(heading)})?.some({begins})")


def test_load_is_followed_on_the_status_page(aws, source, mysql, postgres):
    dms, page = aws.client("dms"), aws.page
    create_checkpoints(
        aws.client("dynamodb"), {"pipeline": "studentdb", "version": "latest", "sequence": "1"}
    )
    objects, task = start_load(dms, mysql, postgres)
    aws.visit("/")
    tables = f"Tables of {NAME}"
    until_row(page, tables, "studentdb.student_details", "Table completed", "7", "0", "0", "0")
    assert rows(page, "Replication instances")[1:] == [
        [NAME, "dms.t3.medium", "us-east-1", "available"]
    ]
    until_row(page, "Replication tasks", NAME, "full-load-and-cdc", "running", DONE)
    assert rows(page, tables)[2:] == [
        ["studentdb.enrollments", "Table completed", "5", "0", "0", "0"],
        ["studentdb.courses", "Table completed", "3", "0", "0", "0"],
    ]
    assert rows(page, "Endpoints")[1:] == [
        ["studentdb-source", "source", "mysql", "127.0.0.1"],
        ["studentdb-target", "target", "postgres", "127.0.0.1"],
    ]
    assert rows(page, "DynamoDB tables")[1:] == [[CHECKPOINTS, "us-east-1", "1"]]

    source("INSERT INTO studentdb.student_details (student_id, name) VALUES (8, 'Ann'), (9, 'Bo')")
    source("DELETE FROM studentdb.student_details WHERE student_id = 7")
    until_row(page, tables, "studentdb.student_details", "Table completed", "7", "2", "0", "1")
    checkpoint = objects.task(task)["RecoveryCheckpoint"]
    until_row(page, "Replication tasks", NAME, "full-load-and-cdc", "running", DONE, checkpoint)
    aws.assert_fits()
    aws.shoot("status", (DESKTOP[0], 960))
    aws.shoot("status-phone", PHONE)

    page.until("(scrollTo(0, 200), scrollY === 200)")
    dms.stop_replication_task(ReplicationTaskArn=task)
    # A state that lasts a moment only is there until a client has seen it; a page is none.
    until(objects, task, "stopped")
    until_row(page, "Replication tasks", NAME, "full-load-and-cdc", "stopped", DONE)
    assert rows(page, "Replication tasks")[1][5] == "Stop Reason NORMAL"
    # Whoever reads further down stays there.
    page.until("scrollY === 200")


def test_items_are_behind_their_table(aws):
    items = [
        {"pipeline": "studentdb", "version": version, "checkpoint": "checkpoint:V1#" + "1" * 90}
        for version in ("latest", "0000000001")
    ]
    create_checkpoints(aws.client("dynamodb"), *items)
    aws.visit("/")
    aws.page.click(CHECKPOINTS)
    assert "2 of 2 items, the highest keys first." in aws.page.text
    for item in items:
        for text in item.values():
            assert text in aws.page.text
    aws.assert_fits()


def test_inbox_shows_each_mail_and_the_link_confirms(aws):
    sns, page = aws.client("sns"), aws.page
    aws.visit("/mail")
    assert "No mail was sent yet." in page.text
    topic = subscribe(sns)
    until_row(page, "Mails", CONFIRMATION, DBA)
    sns.publish(TopicArn=topic, Subject=LOADED, Message=REPORT)
    until_row(page, "Mails", LOADED, DBA)
    assert [row[0] for row in rows(page, "Mails")] == ["Subject", LOADED, CONFIRMATION]
    aws.assert_fits()
    aws.shoot("mails", (DESKTOP[0], 240))

    page.click(LOADED)
    assert REPORT in page.text + "\n"
    aws.assert_fits()
    aws.shoot("mail", (DESKTOP[0], 465))

    page.click("Mails")
    page.click(CONFIRMATION)
    assert f"subscribe to the topic:\n{topic}" in page.text
    aws.assert_fits()
    page.click(page.until("document.querySelector('pre a').innerText"))
    assert "Subscription confirmed" in page.text
    assert f"{DBA} to {topic}" in page.text
    aws.assert_fits()
    page.click("Status")
    page.until_shown("Replication tasks\n\nNone.")


def assert_harmless(aws: Aws, *texts: str) -> None:
    """What others wrote can be read, and has made nothing."""
    for text in texts:
        assert text in aws.page.text
    assert aws.page.until(f"({_FOREIGN}).join() || 'none'") == "none"
    assert aws.page.evaluate("document.title") != "ran"
    aws.assert_fits()


def test_what_others_write_is_text_and_runs_nothing(aws):
    sns, page = aws.client("sns"), aws.page
    topic = subscribe(sns)
    sns.publish(TopicArn=topic, Subject=HOSTILE, Message=f"{HOSTILE}\n{HOSTILE_LINK}\n{LONG}")
    aws.visit("/mail")
    assert_harmless(aws, HOSTILE)
    page.click(HOSTILE)
    assert_harmless(aws, HOSTILE, HOSTILE_LINK, LONG)
    assert page.evaluate("document.querySelector('pre a').href") == "http://evil.example/"

    create_checkpoints(
        aws.client("dynamodb"), {"pipeline": HOSTILE, "version": LONG, HOSTILE: HOSTILE}
    )
    inject_fault(aws.url, HOSTILE)
    aws.visit("/")
    assert_harmless(aws, HOSTILE)
    page.click(CHECKPOINTS)
    assert_harmless(aws, HOSTILE, LONG)
    query = {"Action": "ConfirmSubscription", "TopicArn": HOSTILE, "Endpoint": LONG}
    aws.visit(f"/?{urlencode(query)}")
    assert_harmless(aws, "There is no such subscription", HOSTILE, LONG)


def inject_fault(url: str, identifier: str) -> None:
    fault = {"kind": "task-failed", "message": "x", "identifier": identifier}
    body = json.dumps([fault]).encode()
    request = urllib.request.Request(f"{url}/_faults", data=body, method="PUT")
    urllib.request.urlopen(request, timeout=10).close()
