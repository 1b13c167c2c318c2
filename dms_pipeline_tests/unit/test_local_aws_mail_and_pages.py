import mailbox
import socket
import socketserver
import threading
from email import message_from_bytes
from email.message import Message
from email.policy import default
from html import escape
from pathlib import Path
from queue import Queue
from typing import ClassVar

import pytest
from werkzeug.test import Client, EnvironBuilder, run_wsgi_app

from dms_pipeline.local_dms.control_plane.mail_relay import MailRelay
from dms_pipeline_tests.dms_objects import create_objects
from dms_pipeline_tests.fake_engine import FakeEngine, Script, table_row
from dms_pipeline_tests.wsgi_bridge import client, local_aws


@pytest.fixture
def app(tmp_path):
    with local_aws(tmp_path) as app:
        yield app


@pytest.fixture
def topic(app):
    sns = client(app, "sns")
    arn = sns.create_topic(Name="loads")["TopicArn"]
    sns.subscribe(TopicArn=arn, Protocol="email", Endpoint="dba@example.com")
    return arn


def mails(home: Path) -> list[Message]:
    """What was published, without the mails that ask new subscribers."""
    return [mail for mail in all_mails(home) if "Confirmation" not in mail["Subject"]]


def all_mails(home: Path) -> list[Message]:
    box = mailbox.Maildir(home / "mail", create=False)
    return [box.get_message(key) for key in sorted(box.keys())]


def text_of(mail: Message) -> str:
    payload = mail.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


def test_publish_is_a_mail_for_each_email_subscription(app, topic, tmp_path):
    sns = client(app, "sns")
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="boss@example.com")
    sns.publish(TopicArn=topic, Subject="load done", Message="3 tables\nübertragen & fertig")
    sent = mails(tmp_path)
    assert sorted(mail["To"] for mail in sent) == ["boss@example.com", "dba@example.com"]
    assert {mail["Subject"] for mail in sent} == {"load done"}
    assert text_of(sent[0]) == "3 tables\nübertragen & fertig\n"
    assert sent[0]["Date"]


def test_publish_without_subject_has_the_usual_one(app, topic, tmp_path):
    client(app, "sns").publish(TopicArn=topic, Message="x")
    assert mails(tmp_path)[0]["Subject"] == "AWS Notification Message"


def test_batch_is_one_mail_for_each_entry(app, topic, tmp_path):
    entries = [{"Id": str(n), "Message": f"text {n}", "Subject": f"s{n}"} for n in range(3)]
    client(app, "sns").publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert sorted(mail["Subject"] for mail in mails(tmp_path)) == ["s0", "s1", "s2"]


def test_publish_to_an_unknown_topic_is_refused_and_sends_nothing(app, topic, tmp_path):
    sns = client(app, "sns")
    with pytest.raises(sns.exceptions.NotFoundException):
        sns.publish(TopicArn=topic + "-gone", Message="x")
    assert mails(tmp_path) == []


def test_mail_page_escapes_what_was_sent(app, topic):
    message = "<script>alert(1)</script>"
    client(app, "sns").publish(TopicArn=topic, Subject="<b>done", Message=message)
    listing = Client(app).get("/mail").text
    assert "&lt;b&gt;done" in listing
    key = listing.split('"/mail/')[1].split('"')[0]
    page = Client(app).get(f"/mail/{key}").text
    assert "&lt;script&gt;" in page
    assert "<script>" not in page


def test_pages_forbid_scripts_and_everything_from_elsewhere(app):
    for path in ("/", "/mail"):
        policy = Client(app).get(path).headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "script-src" not in policy


def test_progress_is_a_bar_and_a_failure_stands_out(tmp_path):
    engine = FakeEngine()
    tables = [table_row("db", "t", FullLoadRows=1234567, TableState="Table error")]
    progress = {"full_load_percent": 40, "tables_errored": 1}
    engine.script("nightly", Script(tables=tables, progress=progress, fail_with="no disk"))
    with local_aws(tmp_path, engine) as app:
        objects = create_objects(client(app, "dms"))
        task = objects.create_task("nightly")
        objects.start(task)
        objects.until(task, "failed")
        page = Client(app).get("/").text
    assert '<progress max="100" value="40"></progress>40 %, 0 tables loaded, 1 with errors' in page
    assert '<td class="trouble" data-column="Status">failed</td>' in page
    assert '<td class="trouble" data-column="State">Table error</td>' in page
    assert '<td class="number" data-column="Full load">1,234,567</td>' in page


def test_mail_page_reads_no_file_outside_of_the_folder(app):
    assert Client(app).get("/mail/..%2f..%2fdms.sqlite").status_code == 404


def test_status_page_names_the_objects_but_no_password(app):
    create_objects(client(app, "dms")).create_task("nightly")
    page = Client(app).get("/").text
    assert "nightly" in page
    assert "pw-of" not in page


def test_health_answers_without_a_signature(app):
    assert Client(app).get("/_health").json == {"status": "ok"}


def test_page_of_another_site_is_refused(app):
    reply = Client(app).post("/", headers={"Origin": "https://evil.example"})
    assert reply.status_code == 403


def test_mail_is_a_message_that_others_can_parse(app, topic, tmp_path):
    client(app, "sns").publish(TopicArn=topic, Message="körper")
    path = max((tmp_path / "mail" / "new").iterdir())
    mail = message_from_bytes(path.read_bytes(), policy=default)
    assert mail.get_content() == "körper\n"


def test_new_subscriber_is_asked_once_by_a_mail_with_a_link(app, topic, tmp_path):
    client(app, "sns").subscribe(TopicArn=topic, Protocol="email", Endpoint="dba@example.com")
    [mail] = all_mails(tmp_path)
    assert mail["Subject"] == "AWS Notification - Subscription Confirmation"
    [link] = [line for line in text_of(mail).splitlines() if line.startswith("http")]
    key = Client(app).get("/mail").text.split('"/mail/')[1].split('"')[0]
    assert f'<a href="{escape(link)}">' in Client(app).get(f"/mail/{key}").text
    answer = Client(app).get(link)
    assert answer.status_code == 200
    assert "dba@example.com" in answer.text
    unknown = Client(app).get(link.replace("dba%40", "who%40"))
    assert "no such subscription" in unknown.text


def test_status_page_shows_progress_tables_checkpoints_and_items(app):
    dms = client(app, "dms")
    task = create_objects(dms).create_task("nightly")
    dms.start_replication_task(
        ReplicationTaskArn=task, StartReplicationTaskType="start-replication"
    )
    dynamodb = client(app, "dynamodb")
    dynamodb.create_table(
        TableName="checkpoints", BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pipeline", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pipeline", "AttributeType": "S"}],
    )  # fmt: skip
    dynamodb.put_item(TableName="checkpoints", Item={"pipeline": {"S": "<shop>"}})
    page = Client(app).get("/").text
    assert "tables loaded" in page
    assert '<a href="/dynamodb/us-east-1/checkpoints">checkpoints</a>' in page
    items = Client(app).get("/dynamodb/us-east-1/checkpoints").text
    assert "&lt;shop&gt;" in items
    assert Client(app).get("/dynamodb/us-east-1/unknown").status_code == 404


def test_name_that_anybody_could_let_lead_here_is_refused(app):
    for host in ("evil.example", "evil.example:4566"):
        assert Client(app).get("/mail", headers={"Host": host}).status_code == 403
    # Whoever runs it behind a name may ask whether it is up.
    assert Client(app).get("/_health", headers={"Host": "aws.internal"}).status_code == 200
    for host in ("127.0.0.1:4566", "[::1]:4566", "localhost", "localhost:4566"):
        assert Client(app).get("/mail", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("length", "status"), [("-1", 400), ("many", 400), (str(2**40), 413), ("", 200)]
)
def test_body_whose_length_is_no_length_or_too_much_is_not_read(app, length, status):
    environ = EnvironBuilder(method="POST", path="/").get_environ()
    environ["CONTENT_LENGTH"] = length
    chunks, answered, _ = run_wsgi_app(app, environ, buffered=True)
    assert answered.startswith(str(status)), (answered, b"".join(chunks))


class _Smtp(socketserver.StreamRequestHandler):
    """Takes mails as an SMTP server does."""

    received: ClassVar[Queue[str]] = Queue()

    def handle(self) -> None:
        self.wfile.write(b"220 ready\r\n")
        while line := self.rfile.readline():
            is_mail = line.upper().startswith(b"DATA")
            self.wfile.write(b"354 go on\r\n" if is_mail else b"250 yes\r\n")
            if is_mail:
                lines = iter(self.rfile.readline, b".\r\n")
                self.received.put(b"".join(lines).decode())
                self.wfile.write(b"250 taken\r\n")


def test_mails_go_on_to_an_smtp_server(tmp_path):
    with socketserver.TCPServer(("127.0.0.1", 0), _Smtp) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        relay = MailRelay.at(f"127.0.0.1:{server.server_address[1]}")
        with local_aws(tmp_path, relay=relay) as app:
            sns = client(app, "sns")
            topic = sns.create_topic(Name="loads")["TopicArn"]
            sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="dba@example.com")
            received = _Smtp.received.get(timeout=10)
    assert "To: dba@example.com" in received
    assert "Subscription Confirmation" in received


def test_smtp_server_that_is_away_keeps_no_mail_back(tmp_path, caplog):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    relay = MailRelay.at(f"127.0.0.1:{port}")
    with local_aws(tmp_path, relay=relay) as app:
        sns = client(app, "sns")
        topic = sns.create_topic(Name="loads")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="dba@example.com")
        for thread in threading.enumerate():
            if thread.name == "mail":
                thread.join(10)
    assert len(all_mails(tmp_path)) == 1
    assert "did not take it" in caplog.text
