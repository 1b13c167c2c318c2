"""boto3 clients whose requests a WSGI application answers in process, without a socket."""

from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import boto3
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.config import Config
from moto.backends import get_backend
from werkzeug.test import Client

from dms_pipeline.local_dms.app import LocalAws, create_app
from dms_pipeline_tests.fake_engine import FakeEngine, SteppingClock

# moto keeps them per process, the tests each want a new account
MOTO_SERVICES: tuple[Any, ...] = ("cloudformation", "dynamodb", "sns", "sqs", "secretsmanager")
ENDPOINT = "http://local-aws.invalid"


class _Raw:
    """The part of urllib3's response that botocore reads."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> list[bytes]:
        return [self._body]


@lru_cache(maxsize=32)
def client(app: Any, service: str, region: str = "us-east-1") -> Any:
    """A boto3 client of `service` for the endpoint `app`; nothing it sends leaves the process."""
    # retries off: a 500 must show at once, without botocore's sleeps between the attempts
    config = Config(retries={"total_max_attempts": 1})
    boto_client = _session(region).client(service, endpoint_url=ENDPOINT, config=config)
    boto_client.meta.events.register("before-send", _answering(app))
    return boto_client


@cache
def _session(region: str) -> Any:
    # one, because every session reads the service descriptions again
    return boto3.session.Session(
        aws_access_key_id="local", aws_secret_access_key="local", region_name=region
    )


def _answering(app: Any) -> Callable[..., AWSResponse]:
    def answer(request: AWSRequest, **_: Any) -> AWSResponse:
        body = request.body
        data = body if isinstance(body, bytes | str) or body is None else body.read()
        headers = {
            name: value.decode() if isinstance(value, bytes) else value
            for name, value in request.headers.items()
        }
        reply = Client(app).open(
            str(request.url).removeprefix(ENDPOINT),
            method=request.method,
            headers=headers,
            data=data,
        )
        return AWSResponse(request.url, reply.status_code, reply.headers, _Raw(reply.data))  # type: ignore[arg-type]

    return answer


def local_aws(home: Path, engine: FakeEngine | None = None, **replaced: Any) -> LocalAws:
    """The whole endpoint with a scripted engine, connections that succeed, and time that flies.

    Every look at its clock takes a second, so that each state lasts for one Describe and nothing
    sleeps.
    """
    for service in MOTO_SERVICES:
        get_backend(service).reset()
    surroundings: dict[str, Any] = {
        "task_runner": engine or FakeEngine(),
        "connection_check": lambda kind, settings: None,
        "schema_names": lambda kind, settings: [],
        "stored_checkpoint": lambda specification: None,
        "clock": SteppingClock(),
        "background": lambda work: work(),
        **replaced,
    }
    return create_app(home, **surroundings)
