"""The local AWS endpoint as one WSGI application.

`AmazonDMSv20160101.*` goes to our DMS, everything else to moto; DynamoDB writes are on disk and SNS
mails in the Maildir before the answer goes out. Nothing is verified: it is for the loopback
interface only.
"""

import ipaddress
import json
import logging
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from moto.backends import get_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.datastructures import Headers

from dms_pipeline.local_dms.control_plane.connections import Background, ConnectionCheck
from dms_pipeline.local_dms.control_plane.dynamodb_store import DynamoDbStore
from dms_pipeline.local_dms.control_plane.endpoints import EndpointKind
from dms_pipeline.local_dms.control_plane.injected_faults import parsed_faults
from dms_pipeline.local_dms.control_plane.lifecycle import Speed
from dms_pipeline.local_dms.control_plane.mail import (
    Form,
    MailFolder,
    form_of,
    publications,
    subscription,
)
from dms_pipeline.local_dms.control_plane.mail_relay import MailRelay
from dms_pipeline.local_dms.control_plane.protocol import CONTENT_TYPE, TARGET_PREFIX
from dms_pipeline.local_dms.control_plane.refused_requests import refusal_of
from dms_pipeline.local_dms.control_plane.resources import ACCOUNT_ID
from dms_pipeline.local_dms.control_plane.schemas import SchemaNames
from dms_pipeline.local_dms.control_plane.service import (
    DmsService,
    Surroundings,
    run_in_thread,
)
from dms_pipeline.local_dms.control_plane.task_runner import ProcessTaskRunner, TaskRunner, log_path
from dms_pipeline.local_dms.control_plane.unexpected_end import StoredCheckpoint
from dms_pipeline.local_dms.control_plane.wire import (
    DYNAMODB_PREFIX,
    Reply,
    forward,
    read_body,
    region_of,
    why_not_read,
)
from dms_pipeline.local_dms.website import Website

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger(__name__)

_STACK_CHANGES = frozenset({"CreateStack", "UpdateStack", "ExecuteChangeSet", "DeleteStack"})
"""The actions of CloudFormation by which tables come and go without a call of DynamoDB."""

FAULTS_PATH = "/_faults"
HEALTH_PATH = "/_health"

# Pages show what others wrote: even if it were not escaped, nothing of it could run or load.
_PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PHRASES = {
    200: "200 OK",
    400: "400 Bad Request",
    405: "405 Method Not Allowed",
    500: "500 Internal Server Error",
}


class LocalAws:
    """The application; `close` stops the engines and leaves all files complete."""

    def __init__(
        self,
        home: Path,
        *,
        dms: DmsService,
        moto: "WSGIApplication",
        relay: MailRelay | None = None,
    ) -> None:
        """Serve `dms` and `moto`, with the copy of DynamoDB and the mails under `home`."""
        self.dms = dms
        self._moto = moto
        self._dynamodb = DynamoDbStore(home / "dynamodb.sqlite", moto)
        self._mail = MailFolder(home / "mail", relay)
        self._website = Website(dms, self._dynamodb, self._mail)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        try:
            reply = self._route(environ)
        except Exception:  # the outermost loop of a request: the client needs an answer it can read
            logger.exception("%s %s failed", environ["REQUEST_METHOD"], environ.get("PATH_INFO"))
            reply = _json(
                500, b'{"__type":"InternalFailure","message":"The local endpoint failed"}'
            )
        start_response(reply.status, list(reply.headers))
        return [reply.body]

    def close(self) -> None:
        self.dms.close()
        self._dynamodb.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _route(self, environ: "WSGIEnvironment") -> Reply:
        if _is_cross_origin(environ):
            return _forbidden("Web pages of others may not use this endpoint.")
        if refused := why_not_read(environ):
            return _reply(refused, b'{"message": "the body cannot be read"}', "application/json")
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        if target.startswith(TARGET_PREFIX):
            return _json(*self.dms.answer(target, read_body(environ), region_of(environ)))
        if refusal := refusal_of(environ, self.dms.injection):
            return refusal
        if target.startswith(DYNAMODB_PREFIX):
            return self._dynamodb.answer(environ)
        # A signed request is a call of S3 or another service, whatever its path.
        own = None if "HTTP_AUTHORIZATION" in environ else self._own(environ)
        return own or self._other(environ)

    def _own(self, environ: "WSGIEnvironment") -> Reply | None:
        """The reply to what is ours and not AWS's."""
        path = environ.get("PATH_INFO", "/")
        if path != HEALTH_PATH and _is_called_by_a_foreign_name(environ):
            return _forbidden("Call this endpoint by its address or as localhost.")
        if path == FAULTS_PATH:
            return self._faults(environ)
        if environ["REQUEST_METHOD"] != "GET":
            return None
        return self._page(path, form_of(environ.get("QUERY_STRING", "").encode()))

    def _faults(self, environ: "WSGIEnvironment") -> Reply:
        injection = self.dms.injection
        match environ["REQUEST_METHOD"]:
            case "GET":
                pass
            case "PUT":
                try:
                    injection.replace(parsed_faults(read_body(environ)))
                except ValueError as error:
                    return _plain_json(400, {"message": str(error)})
            case "DELETE":
                injection.replace(())
            case _:
                return _plain_json(405, {"message": f"{FAULTS_PATH} takes GET, PUT and DELETE"})
        return _plain_json(200, injection.document())

    def _other(self, environ: "WSGIEnvironment") -> Reply:
        is_form = "x-www-form-urlencoded" in environ.get("CONTENT_TYPE", "")
        form = form_of(read_body(environ)) if is_form else {}
        reply = forward(self._moto, environ)
        if reply.ok:
            for publication in publications(form):
                self._mail.deliver(publication, region_of(environ))
            if form.get("Action") in _STACK_CHANGES:
                self._dynamodb.note_changed_tables(region_of(environ))
            if wanted := subscription(form):
                self._mail.ask_to_confirm(wanted, f"http://{environ['HTTP_HOST']}")
        return reply

    def _page(self, path: str, query: Form) -> Reply | None:
        if path == HEALTH_PATH:
            return _plain_json(200, {"status": "ok"})
        page = self._website.page(path, query)
        return _html(page) if page else None


def create_app(
    home: Path,
    *,
    speed: Speed = "fast",
    relay: MailRelay | None = None,
    task_runner: TaskRunner | None = None,
    connection_check: ConnectionCheck | None = None,
    schema_names: SchemaNames | None = None,
    stored_checkpoint: StoredCheckpoint | None = None,
    clock: Callable[[], float] = time.time,
    background: Background = run_in_thread,
) -> LocalAws:
    """The endpoint with its state in `home`; the other parameters are for tests to replace."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    stored = stored_checkpoint or _stored_by_engine
    surroundings = Surroundings(
        runner=task_runner or ProcessTaskRunner(home / "logs", stored_checkpoint=stored),
        stored_checkpoint=stored,
        check=connection_check or _check_with_engine,
        schema_names=schema_names or _schemas_by_engine,
        log_size=partial(_log_size, home / "logs"),
        read_secret=_read_secret,
        clock=clock,
        background=background,
    )
    dms = DmsService(home / "dms.sqlite", speed=speed, surroundings=surroundings)
    moto = DomainDispatcherApplication(create_backend_app)
    return LocalAws(home, dms=dms, moto=moto, relay=relay)


def _check_with_engine(kind: EndpointKind, settings: dict[str, Any]) -> str | None:
    # Here and not at the top, so that the endpoint starts without loading the database drivers.
    from dms_pipeline.local_dms.engine.connection_check import check_connection  # noqa: PLC0415

    return check_connection(kind, settings)


def _schemas_by_engine(kind: EndpointKind, settings: dict[str, Any]) -> list[str]:
    # Here and not at the top for the same reason.
    from dms_pipeline.local_dms.engine.schema_names import schema_names  # noqa: PLC0415

    return schema_names(kind, settings)


def _log_size(logs: Path, task_name: str) -> int | None:
    path = log_path(logs, task_name)
    return path.stat().st_size if path.exists() else None


def _stored_by_engine(specification: dict[str, Any]) -> str | None:
    # Here and not at the top for the same reason.
    from dms_pipeline.local_dms.engine.stored_checkpoint import stored_checkpoint  # noqa: PLC0415

    return stored_checkpoint(specification)


def _read_secret(region: str, secret_id: str) -> str:
    secrets = get_backend("secretsmanager")[ACCOUNT_ID][region]
    if not secrets.secrets.get(secret_id):
        raise ValueError(f"secret {secret_id} does not exist in region {region}")
    value = secrets.get_secret_value(secret_id, "", "AWSCURRENT")
    text: str = value.get("SecretString", "")
    return text


def _is_cross_origin(environ: "WSGIEnvironment") -> bool:
    """Whether a web page of another site sends this; AWS clients send no Origin."""
    origin = environ.get("HTTP_ORIGIN")
    return origin is not None and origin.split("://", 1)[-1] != environ.get("HTTP_HOST")


def _is_called_by_a_foreign_name(environ: "WSGIEnvironment") -> bool:
    """Whether a name in the DNS, that anybody may let lead to this machine, brought the request.

    A web page of that name could read what this endpoint answers to it.
    """
    host = environ.get("HTTP_HOST", "localhost").rpartition(":")[0] or environ["HTTP_HOST"]
    if host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return True
    return False


def _forbidden(text: str) -> Reply:
    return Reply("403 Forbidden", Headers(), text.encode())


def _json(status: int, body: bytes, content_type: str = CONTENT_TYPE) -> Reply:
    return _reply(_PHRASES[status], body, content_type)


def _plain_json(status: int, document: object) -> Reply:
    return _json(status, json.dumps(document).encode(), "application/json")


def _html(page: str) -> Reply:
    reply = _reply(_PHRASES[200], page.encode(), "text/html; charset=utf-8")
    reply.headers["Content-Security-Policy"] = _PAGE_POLICY
    # The key of a mail is nobody's business to whom it links.
    reply.headers["Referrer-Policy"] = "no-referrer"
    return reply


def _reply(status: str, body: bytes, content_type: str) -> Reply:
    headers = Headers({"Content-Type": content_type, "Content-Length": str(len(body))})
    return Reply(status, headers, body)
