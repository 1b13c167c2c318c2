"""What every figure needs."""

from dataclasses import dataclass
from pathlib import Path

from dms_pipeline_tests.bench.clients import Clients
from dms_pipeline_tests.bench.dms import Dms
from dms_pipeline_tests.bench.servers import Servers


@dataclass(frozen=True, slots=True)
class Bench:
    """An endpoint with its servers. `scale` is 1 for the sizes that the targets are for.

    `peers` is the folder of their environments; without one no peer is measured.
    """

    dms: Dms
    clients: Clients
    scale: float
    describe_s: float = 3.0
    peers: Path | None = None

    @property
    def servers(self) -> Servers:
        return self.dms.servers

    def scaled(self, number: int) -> int:
        return max(100, round(number * self.scale))
