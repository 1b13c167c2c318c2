"""How boto3 clients are made, and how their errors become ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

from dms_pipeline.aws.remedies import EXPIRED, ROLE_DENIED, remedy_of_failure, remedy_of_refusal
from dms_pipeline.errors import AwsError, RoleError


@dataclass(frozen=True, slots=True)
class AwsAccess:
    """Where and as whom AWS is called; what is None comes from the AWS SDK's own defaults."""

    region: str | None = None
    endpoint_url: str | None = None
    profile: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    verify: bool | None = None
    max_attempts: int = 8


@cache
def new_client(service: str, access: AwsAccess) -> Any:
    """A boto3 client; retries adapt, because DMS refills 8 requests a second for an account.

    One for each access, as making one reads megabytes of service description; they are thread-safe.

    https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Limits.html
    """
    retries: Any = {"mode": "adaptive", "max_attempts": access.max_attempts}
    with aws_errors(service, f"a client for {service}"):
        session = boto3.session.Session(
            profile_name=access.profile,
            region_name=access.region,
            aws_access_key_id=access.access_key_id,
            aws_secret_access_key=access.secret_access_key,
            aws_session_token=access.session_token,
        )
        return session.client(
            service,  # type: ignore[call-overload]
            endpoint_url=access.endpoint_url,
            verify=access.verify,
            config=Config(retries=retries, connect_timeout=5, read_timeout=30),
        )


@contextmanager
def aws_errors(service: str, action: str) -> Iterator[None]:
    """Turns what the SDK raises inside into an `AwsError`.

    It says what was tried (``action``: the operation and the object), what AWS said, and what to
    do. ``service`` is the prefix of its IAM actions.
    """
    try:
        yield
    except ClientError as error:
        raise _refusal(service, action, error) from error
    except BotoCoreError as error:
        is_silence = isinstance(error, ConnectionError | HTTPClientError)
        failed = "did not answer" if is_silence else "could not be asked for"
        text = _sentences(f"AWS {failed} {action}: {error}", remedy_of_failure(error))
        raise AwsError(text) from error


def error_code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _refusal(service: str, action: str, error: ClientError) -> AwsError:
    code = error_code(error)
    message = error.response.get("Error", {}).get("Message", "")
    retries = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
    if code in EXPIRED:
        # Renewed credentials are read by new clients only.
        new_client.cache_clear()
    tried = f" (tried {retries + 1} times)" if retries else ""
    remedy = remedy_of_refusal(service, error.operation_name, code=code, message=message)
    text = _sentences(f"AWS refused {action}{tried}: {code}: {message}", remedy)
    return RoleError(text) if code == ROLE_DENIED else AwsError(text)


def _sentences(said: str, remedy: str) -> str:
    return f"{said.rstrip('. ')}. {remedy}" if remedy else said
