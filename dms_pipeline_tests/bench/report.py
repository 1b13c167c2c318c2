"""The results as a table and as JSON, with what they were measured on."""

import os
import platform
import time
from collections.abc import Mapping
from statistics import median
from typing import Any

import psutil
from rich.table import Table as RichTable

from dms_pipeline_tests.bench.figure import LIMIT, OURS, Result


def machine() -> dict[str, Any]:
    return {
        "cpus": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_average_at_start": os.getloadavg(),
    }


def as_json(results: Mapping[str, Result], about: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **about,
        "figures": {name: result.as_json() for name, result in results.items()},
    }


def as_table(results: Mapping[str, Result]) -> RichTable:
    table = RichTable(title="Medians; each ratio is of a round's two neighbours, ours to the limit")
    table.add_column("figure", no_wrap=True)
    for heading in ("ours", "limit", "MB/s", "ratio", "range", "aim", "peak MB", "aim"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, result in results.items():
        table.add_row(*_cells(name, result))
    return table


def peers_table(results: Mapping[str, Result]) -> RichTable:
    """Ours and all peers, each beside the limit; why one is not there."""
    table = RichTable(title="Ours and others: medians, and their ratios to the limit")
    for heading in ("figure", "who"):
        table.add_column(heading, no_wrap=True)
    for heading in ("rows/s", "ratio", "peak MB"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("left out because")
    for title, result in results.items():
        for name in (OURS, *result.peers):
            peak = result.peak_mb(name)
            ratio = f"{median(result.ratios(name)):.2f}"
            shown = f"{peak:.0f}" if peak is not None else ""
            table.add_row(title, name, _speed(result, name), ratio, shown)
        for name, why in result.left_out.items():
            table.add_row(title, name, "", "", "", why)
    return table


def _cells(name: str, result: Result) -> list[str]:
    figure, ratios = result.figure, result.ratios()
    sign = "≥" if figure.kind == "speed" else "≤"
    colour = "green" if result.target_is_met else "red"
    has_speed = figure.kind in ("speed", "memory")
    peak = result.peak_mb(OURS)
    return [
        name,
        _speed(result, OURS) if has_speed else _measured(result, OURS),
        _speed(result, LIMIT) if figure.kind == "speed" else _measured(result, LIMIT),
        f"{result.megabytes_per_s(OURS):.1f}" if has_speed else "",
        f"[{colour}]{result.ratio:.2f}[/]",
        f"{min(ratios):.2f}-{max(ratios):.2f}",
        f"{sign} {figure.target:g}",
        f"{peak:.0f}" if peak is not None else "",
        f"≤ {figure.peak_target_mb:g}" if figure.peak_target_mb else "",
    ]


def _measured(result: Result, contender: str) -> str:
    match result.figure.kind:
        case "memory":
            return f"{result.peak_mb(contender) or 0:.0f} MB"
        case "calls":
            return f"{result.calls(contender) or 0:.0f} calls"
        case _:
            return _duration(result.seconds(contender))


def _speed(result: Result, contender: str) -> str:
    return f"{result.rows_per_s(contender) / 1000:.1f}k/s"


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"
