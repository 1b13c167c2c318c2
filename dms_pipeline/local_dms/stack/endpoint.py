"""The local AWS endpoint as a server process of the stack."""

import http.client
import sys
from pathlib import Path
from typing import ClassVar

import dms_pipeline
from dms_pipeline.local_dms.servers.lifecycle import NotReady, PrivateServer
from dms_pipeline.local_dms.servers.process import LOOPBACK


class AwsEndpoint(PrivateServer):
    """`python -m dms_pipeline.local_dms` on a loopback port."""

    title: ClassVar[str] = "local AWS endpoint"
    stop_timeout_s: ClassVar[float] = 20.0

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def signature(self) -> tuple[str, ...]:
        return ("dms_pipeline.local_dms", str(self.home))

    def initialize(self) -> None:
        """Nothing to do: the endpoint makes its own files."""

    def command(self) -> list[str]:
        return [
            sys.executable,
            "-m",
            "dms_pipeline.local_dms",
            "--port",
            str(self.port),
            "--home",
            str(self.home),
        ]

    def working_folder(self) -> Path:
        # `-m` looks here first: the same package runs, whether it is installed or not.
        return Path(dms_pipeline.__path__[0]).parent

    def check_ready(self) -> None:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=5)
        try:
            connection.request("GET", "/_health")
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            raise NotReady(str(error)) from error
        finally:
            connection.close()
        if status != http.client.OK:
            raise NotReady(f"GET /_health answered {status}")
