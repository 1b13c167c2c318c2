"""Which page of the local endpoint is at which path: status, mails, DynamoDB's tables."""

from dataclasses import dataclass

from dms_pipeline.local_dms.control_plane.dynamodb_store import DynamoDbStore
from dms_pipeline.local_dms.control_plane.mail import (
    CONFIRM,
    Form,
    MailFolder,
    Subscription,
    is_subscribed,
)
from dms_pipeline.local_dms.control_plane.pages import (
    confirmation_page,
    items_page,
    mail_list_page,
    mail_page,
    status_page,
)
from dms_pipeline.local_dms.control_plane.service import DmsService


@dataclass(frozen=True, slots=True)
class Website:
    """What a person sees who opens the port in a browser; nothing can be changed there."""

    dms: DmsService
    dynamodb: DynamoDbStore
    mail: MailFolder

    def page(self, path: str, query: Form) -> str | None:
        """The page at the path, None if there is none."""
        section, _, name = path.removeprefix("/").partition("/")
        match section, name:
            case "", "":
                return _confirmation(query) if query.get("Action") == CONFIRM else self._status()
            case "mail", "":
                return mail_list_page(self.mail.newest_first())
            case "mail", _:
                mail = self.mail.read(name)
                return mail_page(mail) if mail else None
            case "dynamodb", _:
                found = self.dynamodb.items(name)
                return items_page(*found) if found else None
            case _:
                return None

    def _status(self) -> str:
        faults = self.dms.injection.document()
        return status_page(self.dms.registry, self.dynamodb.tables(), faults)


def _confirmation(query: Form) -> str:
    """Behind the link in the mail that asks a new subscriber."""
    wanted = Subscription(query.get("TopicArn", ""), query.get("Endpoint", ""))
    return confirmation_page(wanted, is_known=is_subscribed(wanted))
