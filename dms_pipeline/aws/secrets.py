"""Secrets Manager: how a database is reached, in the form AWS gives database secrets."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from dms_pipeline.aws.session import AwsAccess, aws_errors, error_code, new_client
from dms_pipeline.errors import ConfigError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

_errors = partial(aws_errors, "secretsmanager")
# Whoever asks for a secret each time pays for each, and a rotated one is to be seen soon.
_KEPT_S = 300.0


@dataclass(frozen=True, slots=True)
class DatabaseCredentials:
    """Host, port and login of one database server."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    dbname: str = ""


@dataclass(frozen=True, slots=True)
class Login:
    """A user of a database server, and its password."""

    username: str
    password: str = field(repr=False)


class DatabaseSecrets:
    """Reads and writes database secrets; raises `AwsError` when AWS refuses or does not answer."""

    def __init__(self, client: "SecretsManagerClient") -> None:
        self._client = client

    def read(self, secret_id: str) -> DatabaseCredentials:
        """The credentials in a secret.

        Raises:
            ConfigError: if the secret has not the form that DMS needs: JSON with host, port,
                username and password.
        """
        content = self._content(secret_id)
        try:
            return DatabaseCredentials(
                host=content["host"],
                port=int(content["port"]),
                username=content["username"],
                password=content["password"],
                dbname=content.get("dbname", ""),
            )
        except (ValueError, TypeError, KeyError):
            raise _unfit(secret_id, '"host", "port", "username" and "password"') from None

    def read_login(self, secret_id: str) -> Login:
        """Only the login in a secret, such as RDS makes for the master users that it manages.

        Raises:
            ConfigError: if the secret is no JSON with username and password.
        """
        content = self._content(secret_id)
        try:
            return Login(content["username"], content["password"])
        except (TypeError, KeyError):
            raise _unfit(secret_id, '"username" and "password"') from None

    def write(self, secret_id: str, content: Mapping[str, Any]) -> None:
        """Creates the secret, or gives the one there this content."""
        text = json.dumps(dict(content))
        with _errors(f"the secret {secret_id}"):
            try:
                self._client.create_secret(Name=secret_id, SecretString=text)
            except ClientError as error:
                if error_code(error) != "ResourceExistsException":
                    raise
                self._client.put_secret_value(SecretId=secret_id, SecretString=text)

    def _content(self, secret_id: str) -> Any:
        """What the secret holds as JSON; nothing if it holds something else."""
        with _errors(f"GetSecretValue {secret_id}"):
            text = self._client.get_secret_value(SecretId=secret_id).get("SecretString", "")
        try:
            return json.loads(text)
        except ValueError:
            # The error is left out on purpose: it quotes the text that could not be read.
            return {}


class RecentSecrets:
    """Database secrets as they were some minutes ago at most."""

    def __init__(
        self, secrets: DatabaseSecrets, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._secrets = secrets
        self._clock = clock
        self._known: dict[str, tuple[float, DatabaseCredentials]] = {}

    def read(self, secret_id: str) -> DatabaseCredentials:
        """As `DatabaseSecrets.read`."""
        read_at, credentials = self._known.get(secret_id, (-_KEPT_S, None))
        if credentials is None or self._clock() - read_at >= _KEPT_S:
            credentials = self._secrets.read(secret_id)
            self._known[secret_id] = self._clock(), credentials
        return credentials


@cache
def recent_secrets(access: AwsAccess) -> RecentSecrets:
    """One for each access, like the clients."""
    return RecentSecrets(DatabaseSecrets(new_client("secretsmanager", access)))


def _unfit(secret_id: str, members: str) -> ConfigError:
    return ConfigError(
        f"the secret {secret_id} is not a database secret: it needs to be a JSON object with "
        f"{members}"
    )
