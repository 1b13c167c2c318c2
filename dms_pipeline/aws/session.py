"""How boto3 clients are made, and how their errors become ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

from dms_pipeline.errors import AwsError

_BAD_CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "RequestExpired",
        "UnrecognizedClientException",
    }
)
_RENEW = "Renew the AWS credentials of this process, for example with `aws sso login`"


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
    session = boto3.session.Session(
        profile_name=access.profile,
        region_name=access.region,
        aws_access_key_id=access.access_key_id,
        aws_secret_access_key=access.secret_access_key,
        aws_session_token=access.session_token,
    )
    retries: Any = {"mode": "adaptive", "max_attempts": access.max_attempts}
    with aws_errors(f"a client for {service}"):
        return session.client(
            service,  # type: ignore[call-overload]
            endpoint_url=access.endpoint_url,
            verify=access.verify,
            config=Config(retries=retries, connect_timeout=5, read_timeout=30),
        )


@contextmanager
def aws_errors(action: str) -> Iterator[None]:
    """Turns what the SDK raises inside into an `AwsError` that says what was tried."""
    try:
        yield
    except ClientError as error:
        fault = error.response.get("Error", {})
        code, message = fault.get("Code", "unknown"), fault.get("Message", str(error))
        remedy = f". {_RENEW}" if code in _BAD_CREDENTIALS else ""
        raise AwsError(f"AWS refused {action}: {code}: {message}{remedy}") from error
    except EndpointConnectionError as error:
        raise AwsError(
            f"AWS did not answer {action}: {error}. "
            "On the local stack, start it with `dms-pipeline local up`."
        ) from error
    except BotoCoreError as error:
        raise AwsError(f"AWS could not be asked for {action}: {error}") from error


def error_code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
