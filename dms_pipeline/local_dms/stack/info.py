"""What others need to know of the local stack: addresses, logins, state of its parts."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, Self
from urllib.parse import unquote, urlsplit

from dms_pipeline.errors import ConfigError, StackError
from dms_pipeline.local_dms.servers.settings import write_private

ComponentName = Literal["source", "target", "aws"]
ComponentState = Literal["running", "stopped", "external"]


@dataclass(frozen=True, slots=True)
class Login:
    """How replication signs in to a server; `dbname` is empty for MySQL."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    dbname: str = ""

    @classmethod
    def from_dsn(cls, dsn: str, *, scheme: str, default_port: int) -> Self:
        """The login in a DSN of the user.

        Raises:
            ConfigError: it has another scheme, or no host or user.
        """
        schemes = {"mysql": ("mysql",), "postgresql": ("postgresql", "postgres")}[scheme]
        form = f"{scheme}://user:password@host:port/" + ("" if scheme == "mysql" else "dbname")
        try:
            parts = urlsplit(dsn)
            port = parts.port or default_port
        except ValueError as error:
            # The text of the error may hold a piece of the password.
            raise ConfigError(f"The {scheme} DSN is not a URL; needed: {form}") from error
        if parts.scheme not in schemes or not parts.hostname or not parts.username:
            raise ConfigError(f"The {scheme} DSN is not usable; needed: {form}")
        dbname = unquote(parts.path.lstrip("/"))
        if scheme == "postgresql" and not dbname:
            raise ConfigError(f"The {scheme} DSN names no database; needed: {form}")
        return cls(
            host=parts.hostname,
            port=port,
            username=unquote(parts.username),
            password=unquote(parts.password or ""),
            dbname=dbname,
        )


@dataclass(frozen=True, slots=True)
class StackInfo:
    """Addresses and logins of a stack that is up.

    The DSNs are the administrator's, for tests and for looking around; `source` and `target` are
    what a DMS endpoint gets. An external server has one login for both.
    """

    home: Path
    endpoint_url: str
    mysql_dsn: str = field(repr=False)
    postgres_dsn: str = field(repr=False)
    source: Login
    target: Login
    source_is_external: bool = False
    target_is_external: bool = False

    @classmethod
    def load(cls, home: Path) -> Self | None:
        """What the latest `up` wrote, None before the first."""
        path = home / "stack.json"
        try:
            saved = json.loads(path.read_text())
            source, target = Login(**saved.pop("source")), Login(**saved.pop("target"))
            return cls(home=home, source=source, target=target, **saved)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StackError(
                f"{path} cannot be read ({error.strerror}). The local stack needs a folder of your "
                "own: name another one with DMS_LOCAL_HOME."
            ) from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StackError(
                f"{path} is not readable ({type(error).__name__}). "
                "Delete this file; the next start writes it anew."
            ) from error

    def save(self) -> None:
        saved = asdict(self)
        del saved["home"]
        write_private(self.home / "stack.json", json.dumps(saved, indent=2) + "\n")


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """One part of the stack; an external server is the user's and has no pid here."""

    name: ComponentName
    state: ComponentState
    pid: int | None
    port: int | None


@dataclass(frozen=True, slots=True)
class StackStatus:
    """All parts of the stack, in the order source, target, aws."""

    home: Path
    components: tuple[ComponentStatus, ...]

    @property
    def is_up(self) -> bool:
        return all(component.state != "stopped" for component in self.components)
