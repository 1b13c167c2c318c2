"""For how long transitional states last: as the endpoint's speed says, unless a fault is set."""

from dms_pipeline.local_dms.control_plane.fault_injection import FaultInjection
from dms_pipeline.local_dms.control_plane.lifecycle import (
    FAST_S,
    REALISTIC_S,
    ObjectKind,
    Phase,
    Speed,
)


class Timing:
    """Makes the transitional phases of all objects."""

    def __init__(self, speed: Speed, injection: FaultInjection) -> None:
        """Hold states as on AWS when the speed is `realistic`, else for a moment."""
        self._speed = speed
        self._injection = injection

    def phase(self, kind: ObjectKind, status: str, *names: str) -> Phase:
        """The phase of the object that has these names, which begins now."""
        usual = REALISTIC_S[kind, status] if self._speed == "realistic" else FAST_S
        injected = self._injection.hold_s(kind, status, *names)
        return Phase(status, usual if injected is None else injected)
