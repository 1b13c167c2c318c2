"""What becomes of large objects: copied whole, cut off at a limit, or left out."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from dms_pipeline.errors import ConfigError

LobMode = Literal["limited", "unlimited", "none"]

_MODES: dict[str, LobMode] = {"limited": "limited", "unlimited": "unlimited", "none": "none"}
_DEFAULT_MAX_KB = 32


@dataclass(frozen=True, slots=True)
class LobSettings:
    """How MEDIUMTEXT, LONGTEXT, MEDIUMBLOB, LONGBLOB, JSON and geometries are treated."""

    mode: LobMode = "unlimited"
    max_bytes: int = 0
    """Where ``limited`` cuts values off; 0 is no limit."""

    @classmethod
    def from_message(cls, settings: dict[str, Any]) -> "LobSettings":
        """From task settings; what is missing there is what AWS takes as default."""
        metadata = settings.get("TargetMetadata") or {}
        if not metadata.get("SupportLobs", True):
            return cls("none")
        if metadata.get("FullLobMode") or not metadata.get("LimitedSizeLobMode", True):
            return cls("unlimited")
        return cls("limited", 1024 * int(metadata.get("LobMaxSize", _DEFAULT_MAX_KB)))

    def for_table(self, rule: dict[str, Any] | None) -> "LobSettings":
        """With the lob-settings of a table-settings rule laid over."""
        if self.mode == "none" or not rule:
            return self
        mode = _MODES.get(str(rule.get("mode", self.mode)))
        if mode is None:
            raise ConfigError(
                f"lob-settings mode {rule.get('mode')!r} of a table-settings rule is not one of"
                f" {', '.join(_MODES)}"
            )
        size = rule.get("bulk-max-size")
        return replace(
            self, mode=mode, max_bytes=self.max_bytes if size is None else 1024 * int(size)
        )

    @property
    def limit(self) -> int | None:
        """The number of bytes a value may have, if there is a limit."""
        return self.max_bytes or None if self.mode == "limited" else None
