"""What a private server keeps between its starts: port and passwords, for its owner only."""

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from dms_pipeline.errors import StackError


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Chosen once, at the first start; the port is chosen again when somebody else has taken it."""

    port: int
    admin_password: str = field(repr=False)
    dms_password: str = field(repr=False)

    @classmethod
    def new(cls, port: int) -> Self:
        # Hexadecimal needs no quoting in SQL, in a URL or in a shell.
        return cls(port, secrets.token_hex(16), secrets.token_hex(16))

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """The settings in the file, None when there is no file."""
        try:
            return cls(**json.loads(path.read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise StackError(
                f"{path} is not readable as server settings ({type(error).__name__}). "
                f"It holds the server's passwords: restore it, "
                f"or delete {path.parent} to begin with an empty server."
            ) from error

    def save(self, path: Path) -> None:
        write_private(path, json.dumps(asdict(self), indent=2) + "\n")


def write_private(path: Path, text: str) -> None:
    """Replace the file at once and durably; at no moment can another user read it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def make_private_folder(path: Path, *, passable: bool = False) -> None:
    """Create the folder for this user only; `passable` lets others walk through it but not look."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o711 if passable else 0o700)
