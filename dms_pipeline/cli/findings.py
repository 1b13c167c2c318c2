"""What was found, as a table."""

from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dms_pipeline.preflight import Finding


def new_console() -> Console:
    """One that shows texts as they are."""
    return Console(emoji=False, markup=False, highlight=False)


def findings_table(findings: Iterable[Finding], *, title: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("", "checked", "found", "needed"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "checked")
    for finding in findings:
        mark, style = ("ok", "green")
        if finding.problem or finding.warning:
            mark, style = ("NO", "red") if finding.problem else ("!", "yellow")
        table.add_row(Text(mark, style=style), finding.checked, finding.found, finding.needed)
    return table
