"""Passes mails on to an SMTP server, beside the request that they are sent by."""

import logging
import smtplib
import threading
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Self

logger = logging.getLogger(__name__)

_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class MailRelay:
    """A server that takes mails without a login, as one on the same machine or network does."""

    host: str
    port: int

    @classmethod
    def at(cls, address: str) -> Self:
        """Reads ``host:port``; raises ValueError, in words, if it is not one."""
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal():
            raise ValueError(f"{address!r} is not the host:port of an SMTP server")
        return cls(host, int(port))

    def send(self, mail: EmailMessage) -> None:
        """Does not wait: the mail is in the box, and a client of SNS does not wait for mails."""
        threading.Thread(target=self._send, args=(mail,), name="mail", daemon=True).start()

    def _send(self, mail: EmailMessage) -> None:
        try:
            with smtplib.SMTP(self.host, self.port, timeout=_TIMEOUT_S) as server:
                server.send_message(mail)
        except (OSError, smtplib.SMTPException) as error:
            logger.warning(
                "the mail to %s is in the box, but %s:%s did not take it: %s",
                mail["To"], self.host, self.port, error,
            )  # fmt: skip
