"""`make bench`: runs the figures, prints a table and writes JSON. `--help` tells the options."""

import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from dms_pipeline.errors import DmsPipelineError
from dms_pipeline_tests.bench import report
from dms_pipeline_tests.bench.bench import Bench
from dms_pipeline_tests.bench.clients import Clients, find_clients
from dms_pipeline_tests.bench.dms import running_dms
from dms_pipeline_tests.bench.errors import BenchError
from dms_pipeline_tests.bench.figure import Result
from dms_pipeline_tests.bench.figures import FIGURES, SLOW, WITH_PEERS
from dms_pipeline_tests.bench.servers import running_servers

_ROUNDS = 5
_QUICK_SCALE, _QUICK_ROUNDS = 0.1, 2
_WIDTH = 120
FOLDER = Path(".bench")


@click.command(help="Measures the engine beside its limits, on servers that it starts itself.")
@click.option("--quick", is_flag=True, help="A tenth of the work, 2 rounds: ends in 3 minutes.")
@click.option("--rounds", type=click.IntRange(1), help=f"Rounds of each figure, {_ROUNDS} if full.")
@click.option("--scale", type=click.FloatRange(0, min_open=True), help="1 is the full work.")
@click.option(
    "--only", multiple=True, type=click.Choice(list(FIGURES)), help="Only this figure; repeatable."
)
@click.option(
    "--peers", "with_peers", is_flag=True, help="Measure others beside it, where they do the same."
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path),
    default=FOLDER / "latest.json",
    show_default=True,
    help="Where the results go, with all rounds.",
)
def main(
    *,
    quick: bool,
    rounds: int | None,
    scale: float | None,
    only: tuple[str, ...],
    with_peers: bool,
    json_file: Path,
) -> None:
    # Servers are stopped on the way out, also when `timeout` or a CI runner ends the program.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rounds = rounds or (_QUICK_ROUNDS if quick else _ROUNDS)
    scale = scale or (_QUICK_SCALE if quick else 1.0)
    all_names = WITH_PEERS if with_peers else FIGURES
    names = only or [name for name in all_names if not (quick and name in SLOW)]
    # A pipe or a log file has no width; rich would cut the figures at 80.
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH)
    begun = time.monotonic()
    about: dict[str, Any] = {"scale": scale, "machine": report.machine()}
    results: dict[str, Result] = {}

    def progress(text: str) -> None:
        console.print(f"{time.monotonic() - begun:6.0f} s  {text}", highlight=False)

    try:
        clients = find_clients(FOLDER / "clients")
        _measure(
            names,
            clients,
            scale,
            peers=FOLDER / "peers" if with_peers else None,
            rounds=rounds,
            about=about,
            results=results,
            progress=progress,
        )
    except (BenchError, DmsPipelineError) as error:
        raise click.ClickException(str(error)) from error
    finally:
        if results:
            console.print(report.as_table(results))
            if with_peers:
                console.print(report.peers_table(results))
            json_file.parent.mkdir(parents=True, exist_ok=True)
            json_file.write_text(json.dumps(report.as_json(results, about), indent=2) + "\n")
            progress(f"all rounds are in {json_file}")


def _measure(
    names: Iterable[str],
    clients: Clients,
    scale: float,
    *,
    peers: Path | None,
    rounds: int,
    about: dict[str, Any],
    results: dict[str, Result],
    progress: Callable[[str], None],
) -> None:
    """Adds to `about` and `results`: what was measured before an error is not lost."""
    with tempfile.TemporaryDirectory(prefix="dms-bench-") as folder:
        home = Path(folder)
        # PostgreSQL runs as another user when this is root, and has to get to its own folder.
        home.chmod(0o711)
        with running_servers(home) as servers, running_dms(servers, home / "endpoint") as dms:
            about["servers"] = servers.versions()
            bench = Bench(dms, clients, scale=scale, peers=peers)
            for name in names:
                progress(f"{name}: making its workload")
                with FIGURES[name](bench) as figure:
                    results[name] = figure.measure(rounds, progress=progress)


if __name__ == "__main__":
    main()
