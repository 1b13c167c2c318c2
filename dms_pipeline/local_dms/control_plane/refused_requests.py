"""Injected refusals of the services behind moto: which call a request is, and the error it gets."""

import json
from typing import TYPE_CHECKING
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from werkzeug.datastructures import Headers

from dms_pipeline.local_dms.control_plane.fault_injection import FaultInjection
from dms_pipeline.local_dms.control_plane.faults import Fault
from dms_pipeline.local_dms.control_plane.wire import Reply, read_body, service_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def refusal_of(environ: "WSGIEnvironment", injection: FaultInjection) -> Reply | None:
    """The reply to a signed call that is to be refused; S3, which names no action, never is."""
    if not injection.is_active:
        return None
    service, target = service_of(environ), environ.get("HTTP_X_AMZ_TARGET", "")
    if service is None:
        return None
    if target:
        fault = injection.refusal(service, target.rpartition(".")[2], ())
        return _json(fault) if fault else None
    if "x-www-form-urlencoded" in environ.get("CONTENT_TYPE", ""):
        action = parse_qs(read_body(environ).decode()).get("Action", [""])[0]
        fault = injection.refusal(service, action, ())
        return _xml(fault) if fault else None
    return None


def _json(fault: Fault) -> Reply:
    body = json.dumps({"__type": fault.code, "message": fault.message})
    return _bad_request(body, "application/x-amz-json-1.0")


def _xml(fault: Fault) -> Reply:
    body = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{escape(fault.code)}</Code>"
        f"<Message>{escape(fault.message)}</Message></Error>"
        "<RequestId>local</RequestId></ErrorResponse>"
    )
    return _bad_request(body, "text/xml")


def _bad_request(body: str, content_type: str) -> Reply:
    raw = body.encode()
    headers = Headers({"Content-Type": content_type, "Content-Length": str(len(raw))})
    return Reply("400 Bad Request", headers, raw)
