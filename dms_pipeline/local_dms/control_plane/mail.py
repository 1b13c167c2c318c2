"""SNS's mails in a Maildir, and on to an SMTP server if there is one; moto sends none.

Each publish is a mail for each e-mail subscription; each new subscription is a mail with a link, as
AWS asks for consent. Here the subscription holds at once, whether or not the link is followed.
"""

import mailbox
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from email.utils import formatdate, make_msgid
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import parse_qsl, urlencode

from moto.backends import get_backend
from moto.sns.exceptions import SNSNotFoundError

from dms_pipeline.local_dms.control_plane.mail_relay import MailRelay
from dms_pipeline.local_dms.control_plane.resources import ACCOUNT_ID

CONFIRM = "ConfirmSubscription"
_CONFIRMATION = "AWS Notification - Subscription Confirmation"
_PROTOCOLS = ("email", "email-json")
_DEFAULT_SUBJECT = "AWS Notification Message"
_SENDER = "AWS Notifications <no-reply@sns.localhost>"


@dataclass(frozen=True, slots=True)
class Publication:
    """One message published to a topic."""

    topic_arn: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Subscription:
    """An address that is to get what is published to a topic."""

    topic_arn: str
    address: str


Form = Mapping[str, str]


def form_of(body: bytes) -> Form:
    """The parameters of a request in the form that SNS's clients use."""
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def subscription(form: Form) -> Subscription | None:
    """The e-mail subscription that a request to SNS makes; None for every other request."""
    if form.get("Action") != "Subscribe" or form.get("Protocol") not in _PROTOCOLS:
        return None
    return Subscription(form.get("TopicArn", ""), form.get("Endpoint", ""))


def publications(form: Form) -> list[Publication]:
    """What a request to SNS publishes to topics; empty for every other action."""
    topic = form.get("TopicArn") or form.get("TargetArn") or ""
    if form.get("Action") == "Publish" and topic:
        return [_publication(form, topic, "")]
    if form.get("Action") == "PublishBatch":
        return [_publication(form, topic, prefix) for prefix in _batch_prefixes(form)]
    return []


def _publication(form: Form, topic: str, prefix: str) -> Publication:
    subject = form.get(f"{prefix}Subject") or _DEFAULT_SUBJECT
    return Publication(topic, subject, form.get(f"{prefix}Message", ""))


def _batch_prefixes(form: Form) -> Iterator[str]:
    number = 1
    while f"PublishBatchRequestEntries.member.{number}.Id" in form:
        yield f"PublishBatchRequestEntries.member.{number}."
        number += 1


class MailFolder:
    """The Maildir of the local endpoint; keys are those of `mailbox.Maildir`."""

    def __init__(self, path: Path, relay: MailRelay | None = None) -> None:
        """Create the folder, readable by its owner only, when it is new."""
        self._path = path
        self._relay = relay
        if not path.exists():
            path.mkdir(mode=0o700, parents=True)
            for name in ("tmp", "new", "cur"):
                (path / name).mkdir(mode=0o700)

    def deliver(self, publication: Publication, region: str) -> None:
        """Write the mail for every e-mail subscription of the topic."""
        for address in _subscribers(publication.topic_arn, region):
            self._add(_mail(publication, address))

    def ask_to_confirm(self, wanted: Subscription, link_base: str) -> None:
        """Write the mail that asks a new subscriber, unless the box has one already."""
        mail = _mail(Publication(wanted.topic_arn, _CONFIRMATION, ""), wanted.address)
        same = ("Subject", "To", "X-Amz-Sns-Topic-Arn")
        if any(all(old[name] == mail[name] for name in same) for _, old in self.newest_first()):
            return
        link = f"{link_base}/?" + urlencode(
            {
                "Action": CONFIRM,
                "TopicArn": wanted.topic_arn,
                "Token": token_hex(32),
                "Endpoint": wanted.address,
            }
        )
        mail.set_content(
            f"You have chosen to subscribe to the topic:\n{wanted.topic_arn}\n\n"
            "To confirm this subscription, visit the link below (if this was in error, nothing is "
            f"to be done):\n{link}\n"
        )
        self._add(mail)

    def _add(self, mail: EmailMessage) -> None:
        self._open().add(mail)
        if self._relay is not None:
            self._relay.send(mail)

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


def is_subscribed(wanted: Subscription) -> bool:
    region = wanted.topic_arn.split(":")[3:4]
    try:
        return bool(region) and wanted.address in _subscribers(wanted.topic_arn, region[0])
    except SNSNotFoundError:
        return False


def _subscribers(topic_arn: str, region: str) -> list[str]:
    backend: Any = get_backend("sns")[ACCOUNT_ID][region]
    subscriptions, token = backend.list_subscriptions_by_topic(topic_arn)
    while token is not None:
        more, token = backend.list_subscriptions_by_topic(topic_arn, next_token=token)
        subscriptions += more
    return [s.endpoint for s in subscriptions if s.protocol in _PROTOCOLS]


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
