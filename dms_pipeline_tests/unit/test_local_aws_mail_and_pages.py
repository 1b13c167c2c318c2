import mailbox
from email import message_from_bytes
from email.message import Message
from email.policy import default
from pathlib import Path

import pytest
from werkzeug.test import Client

from dms_pipeline_tests.dms_objects import create_objects
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
    (path,) = (tmp_path / "mail" / "new").iterdir()
    mail = message_from_bytes(path.read_bytes(), policy=default)
    assert mail.get_content() == "körper\n"
