"""What every figure needs."""

from dataclasses import dataclass

from dms_pipeline_tests.bench.clients import Clients
from dms_pipeline_tests.bench.dms import Dms
from dms_pipeline_tests.bench.servers import Servers


@dataclass(frozen=True, slots=True)
class Bench:
    """An endpoint with its servers. `scale` is 1 for the sizes that the targets are for."""

    dms: Dms
    clients: Clients
    scale: float
    describe_s: float = 3.0

    @property
    def servers(self) -> Servers:
        return self.dms.servers

    def scaled(self, number: int) -> int:
        return max(100, round(number * self.scale))
