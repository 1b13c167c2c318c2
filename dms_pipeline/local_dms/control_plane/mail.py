"""SNS publishes as mails in a Maildir, one for each e-mail subscription; moto drops them."""

import mailbox
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from moto.backends import get_backend

from dms_pipeline.local_dms.control_plane.resources import ACCOUNT_ID

_DEFAULT_SUBJECT = "AWS Notification Message"
_SENDER = "AWS Notifications <no-reply@sns.localhost>"


@dataclass(frozen=True, slots=True)
class Publication:
    """One message published to a topic."""

    topic_arn: str
    subject: str
    text: str


def publications(body: bytes) -> list[Publication]:
    """What a form-encoded SNS request publishes to topics; empty for every other action."""
    form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    topic = form.get("TopicArn") or form.get("TargetArn") or ""
    if form.get("Action") == "Publish" and topic:
        return [_publication(form, topic, "")]
    if form.get("Action") == "PublishBatch":
        return [_publication(form, topic, prefix) for prefix in _batch_prefixes(form)]
    return []


def _publication(form: Mapping[str, str], topic: str, prefix: str) -> Publication:
    subject = form.get(f"{prefix}Subject") or _DEFAULT_SUBJECT
    return Publication(topic, subject, form.get(f"{prefix}Message", ""))


def _batch_prefixes(form: Mapping[str, str]) -> Iterator[str]:
    number = 1
    while f"PublishBatchRequestEntries.member.{number}.Id" in form:
        yield f"PublishBatchRequestEntries.member.{number}."
        number += 1


class MailFolder:
    """The Maildir of the local endpoint; keys are those of `mailbox.Maildir`."""

    def __init__(self, path: Path) -> None:
        """Create the folder, readable by its owner only, when it is new."""
        self._path = path
        if not path.exists():
            path.mkdir(mode=0o700, parents=True)
            for name in ("tmp", "new", "cur"):
                (path / name).mkdir(mode=0o700)

    def deliver(self, publication: Publication, region: str) -> None:
        """Write the mail for every e-mail subscription of the topic."""
        for address in _subscribers(publication.topic_arn, region):
            self._open().add(_mail(publication, address))

    def newest_first(self) -> list[tuple[str, EmailMessage]]:
        box = self._open()
        # A key begins with the time of delivery.
        return [(key, _parsed(box.get_bytes(key))) for key in sorted(box.keys(), reverse=True)]

    def read(self, key: str) -> EmailMessage | None:
        box = self._open()
        # Maildir joins keys to paths, so only those that it lists itself are looked up.
        if key not in set(box.keys()):
            return None
        return _parsed(box.get_bytes(key))

    def _open(self) -> mailbox.Maildir:
        # Opened for each use: a Maildir object caches its listing and is not for several threads.
        return mailbox.Maildir(self._path, create=False)


def _parsed(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=default_policy)
    assert isinstance(message, EmailMessage)
    return message


def _subscribers(topic_arn: str, region: str) -> list[str]:
    backend: Any = get_backend("sns")[ACCOUNT_ID][region]
    subscriptions, token = backend.list_subscriptions_by_topic(topic_arn)
    while token is not None:
        more, token = backend.list_subscriptions_by_topic(topic_arn, next_token=token)
        subscriptions += more
    return [s.endpoint for s in subscriptions if s.protocol in ("email", "email-json")]


def _mail(publication: Publication, address: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = _SENDER
    mail["To"] = address
    mail["Subject"] = " ".join(publication.subject.splitlines())
    mail["Date"] = formatdate(localtime=False)
    mail["Message-ID"] = make_msgid(domain="sns.localhost")
    mail["X-Amz-Sns-Topic-Arn"] = publication.topic_arn
    mail.set_content(publication.text)
    return mail
