"""HTTP requests as the endpoint sees them, and calls to moto without a socket."""

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.core.model_instances import reset_model_data
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

DEFAULT_REGION = "us-east-1"
MOST_BYTES = 32 * 1024 * 1024
"""Twice what AWS takes for the largest request of any of these services (a batch of DynamoDB)."""

DYNAMODB_PREFIX = "DynamoDB_20120810."


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer; `status` is the number and its phrase."""

    status: str
    headers: Headers
    body: bytes

    @property
    def ok(self) -> bool:
        return self.status.startswith("2")


def why_not_read(environ: "WSGIEnvironment") -> str:
    """What keeps a request's body from being read, as an HTTP status; empty if nothing does."""
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal():
        return "400 Bad Request"
    return "413 Content Too Large" if int(length) > MOST_BYTES else ""


def read_body(environ: "WSGIEnvironment") -> bytes:
    """The request's body, which stays readable for the application behind."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body: bytes = environ["wsgi.input"].read(length)
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def region_of(environ: "WSGIEnvironment") -> str:
    """The region of the signature's credential scope; nothing is verified on a loopback port."""
    scope = _credential_scope(environ)
    return scope[2] or DEFAULT_REGION if scope else DEFAULT_REGION


def service_of(environ: "WSGIEnvironment") -> str | None:
    """The service of the signature's credential scope, None for a request without signature."""
    scope = _credential_scope(environ)
    return scope[3] if scope else None


def _credential_scope(environ: "WSGIEnvironment") -> list[str] | None:
    """Key id, date, region, service and the scope's fixed end."""
    authorization = environ.get("HTTP_AUTHORIZATION", "")
    _, found, scope = authorization.partition("Credential=")
    parts = scope.split(",")[0].split("/")
    return parts if found and len(parts) >= 5 else None


def forward(app: "WSGIApplication", environ: "WSGIEnvironment") -> Reply:
    """Let moto's `app` answer the request, and wait for the whole answer."""
    chunks: Iterable[bytes]
    chunks, status, headers = run_wsgi_app(app, environ, buffered=True)
    # For its dashboard moto keeps every object that it ever makes, with each transaction a copy of
    # the whole table.
    reset_model_data()
    return Reply(status, headers, b"".join(chunks))


def call_dynamodb(
    app: "WSGIApplication", operation: str, params: dict[str, Any], *, region: str
) -> dict[str, Any]:
    """Call the emulated DynamoDB; anything but success raises."""
    scope = f"local/20000101/{region}/dynamodb/aws4_request"
    builder = EnvironBuilder(
        method="POST",
        data=json.dumps(params).encode(),
        headers=Headers(
            {
                "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, "
                "Signature=local",
                "Content-Type": "application/x-amz-json-1.0",
                "X-Amz-Target": f"{DYNAMODB_PREFIX}{operation}",
            }
        ),
    )
    reply = forward(app, builder.get_environ())
    if not reply.ok:
        raise RuntimeError(f"{operation} in {region} answered {reply.status}: {reply.body!r}")
    answer: dict[str, Any] = json.loads(reply.body)
    return answer
