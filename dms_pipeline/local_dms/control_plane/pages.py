"""The HTML pages of the local endpoint, for a person; everything shown is escaped."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from html import escape
from typing import Any
from urllib.parse import quote

from dms_pipeline.local_dms.control_plane.dynamodb_store import TableShown
from dms_pipeline.local_dms.control_plane.mail import Subscription
from dms_pipeline.local_dms.control_plane.registry import Registry
from dms_pipeline.local_dms.control_plane.resources import (
    Endpoint,
    ReplicationInstance,
    ReplicationTask,
)
from dms_pipeline.local_dms.control_plane.task_descriptions import described_table, described_task

_REFRESH_S = 5
_SHOWN_TABLES = 100
_LONGEST_LINE = 30
_COUNTERS = ("FullLoadRows", "Inserts", "Updates", "Deletes")
_STATES = ("Status", "State")
# How the names of the states begin in which something needs a look.
_TROUBLES = ("failed", "incompatible-", "inaccessible-", "storage-full", "Table error")
_LINK = re.compile(r"(https?://[^\s<>\"']+)")
# On a phone each row is a block: its first cell, and below it the others with their columns' names.
_STYLE = """
:root{color-scheme:light dark;--line:color-mix(in srgb,currentColor 18%,transparent);
  --soft:color-mix(in srgb,currentColor 65%,transparent)}
body{font:15px/1.5 system-ui,sans-serif;max-width:76rem;margin:1rem auto 3rem;padding:0 1rem;
  overflow-wrap:anywhere}
nav{display:flex;gap:1.5rem;padding-bottom:.6rem;border-bottom:1px solid var(--line)}
nav a{color:inherit}
h1{font-size:1.5rem;line-height:1.25;margin:1.5rem 0 .8rem}h2{font-size:1.1rem;margin:2rem 0 .4rem}
p{margin:.4rem 0;color:var(--soft)}
table{border-collapse:collapse}
th{color:var(--soft);font-size:.85rem;font-weight:600;white-space:nowrap}
td,th{text-align:left;padding:.1rem 1.2rem .1rem 0;vertical-align:top}
.wide{overflow-x:auto}.wide table{width:100%}
.wide td,.wide th{border-bottom:1px solid var(--line);padding-block:.35rem}
.wide td{white-space:nowrap}
.wide td:last-child,.wide th:last-child{padding-right:0}
.wide .long{white-space:normal;min-width:12rem}
.number{text-align:right;font-variant-numeric:tabular-nums}
.trouble{color:light-dark(#b3261e,#ff8a80);font-weight:600}
progress{width:5rem;margin-right:.5rem}
pre{white-space:pre-wrap;border:1px solid var(--line);border-radius:.4rem;padding:1rem}
@media(max-width:50rem){
.wide tr:first-child{display:none}
.wide tr{display:block;padding:.5rem 0;border-bottom:1px solid var(--line)}
.wide td{display:inline-block;border:0;padding:0 1rem 0 0;white-space:normal;text-align:left}
.wide td::before{content:attr(data-column) " ";color:var(--soft);font-size:.85rem}
.wide td:first-child{display:block;font-weight:600}.wide td:first-child::before{content:none}
.wide td:empty{display:none}
pre{font-size:.8rem;padding:.7rem}}
"""


def status_page(
    registry: Registry, tables: Sequence[TableShown], faults: Sequence[Mapping[str, Any]] = ()
) -> str:
    """Everything that there is at this moment; the page asks again every few seconds."""
    with registry.lock:
        registry.settle()
        instances = registry.all(ReplicationInstance)
        tasks = registry.all(ReplicationTask)
        endpoints = registry.all(Endpoint)
    return _page(
        "Local AWS",
        "<p>DMS that really moves rows; DynamoDB, SNS and others are moto.</p>",
        _table(
            "Replication instances",
            ("Identifier", "Class", "Region", "Status"),
            [
                (i.identifier, i.parameters["ReplicationInstanceClass"], i.region, i.life.status)
                for i in instances
            ],
        ),
        _table(
            "Replication tasks",
            ("Identifier", "Type", "Status", "Progress", "Checkpoint", "Last end"),
            map(_task_row, tasks),
        ),
        *map(_task_tables, tasks),
        _table(
            "Endpoints",
            ("Identifier", "Type", "Engine", "Server"),
            [
                (
                    e.identifier,
                    e.parameters["EndpointType"],
                    e.parameters["EngineName"],
                    e.parameters.get("ServerName", ""),
                )
                for e in endpoints
            ],
        ),
        _table(
            "DynamoDB tables",
            ("Table", "Region", "Items"),
            [
                (_Link(f"/dynamodb/{table.path}", table.name), table.region, table.item_count)
                for table in tables
            ],
        ),
        _injected_faults(faults),
        refresh_s=_REFRESH_S,
    )


def _task_row(task: ReplicationTask) -> Sequence[object]:
    shown = described_task(task, with_settings=False)
    statistics = shown["ReplicationTaskStats"]
    progress = _Progress(statistics) if statistics else ""
    end = shown["LastFailureMessage"] or shown["StopReason"]
    checkpoint = shown["RecoveryCheckpoint"]
    return (
        task.identifier, task.migration_type, task.life.status, progress, checkpoint, end,
    )  # fmt: skip


def _task_tables(task: ReplicationTask) -> str:
    """The tables of a task's latest run, those with the most changes first."""
    rows = [described_table(row) for row in task.run.tables] if task.run else []
    if not rows:
        return ""
    rows.sort(key=lambda row: -sum(row[name] for name in _COUNTERS))
    left_out = len(rows) - _SHOWN_TABLES
    shown = [
        (
            f"{row.get('SchemaName')}.{row.get('TableName')}",
            row.get("TableState"),
            *(row[name] for name in _COUNTERS),
        )
        for row in rows[:_SHOWN_TABLES]
    ]
    note = f"<p>and {left_out} more</p>" if left_out > 0 else ""
    titles = ("Table", "State", "Full load", "Inserts", "Updates", "Deletes")
    return _table(f"Tables of {task.identifier}", titles, shown) + note


def items_page(table: TableShown, items: Sequence[Mapping[str, Mapping[str, Any]]]) -> str:
    """A DynamoDB table; each attribute is a mapping of its type to its value."""
    columns = list(dict.fromkeys(name for item in items for name in item))
    rows = [[next(iter(item.get(name, {"": ""}).values())) for name in columns] for item in items]
    note = f"<p>{len(items)} of {table.item_count} items, the highest keys first.</p>"
    return _page(f"DynamoDB table {table.name}", note, _rows(columns, rows))


def confirmation_page(subscription: Subscription, *, is_known: bool) -> str:
    of = f"{_text(subscription.address)} to {_text(subscription.topic_arn)}"
    if not is_known:
        return _page("Not confirmed", f"<p>There is no such subscription: {of}.</p>")
    return _page("Subscription confirmed", f"<p>{of}</p>")


def _injected_faults(faults: Sequence[Mapping[str, Any]]) -> str:
    """Nothing when there are none; else whoever wonders about a failure must see them."""
    if not faults:
        return ""
    rows = [(f["kind"], f.get("identifier", "*"), str(f["struck"])) for f in faults]
    return _table("Injected faults", ("Kind", "Identifier", "Struck"), rows)


def mail_list_page(mails: Sequence[tuple[str, EmailMessage]]) -> str:
    rows = [
        (_Link(f"/mail/{quote(key)}", str(mail["Subject"])), mail["To"], _sent_at(mail))
        for key, mail in mails
    ]
    content = _rows(("Subject", "To", "Sent"), rows) if mails else "<p>No mail was sent yet.</p>"
    return _page("Mails", content, refresh_s=_REFRESH_S)


def mail_page(mail: EmailMessage) -> str:
    headers = "".join(
        f"<tr><th>{name}</th><td>{_text(value)}</td></tr>"
        for name, value in (("From", mail["From"]), ("To", mail["To"]), ("Sent", _sent_at(mail)))
    )
    # What is behind the text, a link, behind the next text, and so on.
    parts = enumerate(_LINK.split(mail.get_content()))
    text = "".join(_anchor(part, part) if number % 2 else _text(part) for number, part in parts)
    return _page(_plain(mail["Subject"]), f"<table>{headers}</table><pre>{text}</pre>")


def _sent_at(mail: EmailMessage) -> str:
    return f"{mail['Date'].datetime:%Y-%m-%d %H:%M:%S} UTC"


def _page(title: str, *parts: str, refresh_s: int = 0) -> str:
    refresh = f'<meta http-equiv="refresh" content="{refresh_s}">' if refresh_s else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8">{refresh}'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # Without an icon the browser would ask for one.
        '<link rel="icon" href="data:,">'
        f"<title>{_text(title)}</title><style>{_STYLE}</style>"
        f"<nav>{_anchor('/', 'Status')}{_anchor('/mail', 'Mails')}</nav><h1>{_text(title)}</h1>"
        f"{''.join(parts)}</html>"
    )


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    listed = list(rows)
    content = _rows(columns, listed) if listed else "<p>None.</p>"
    return f"<h2>{_text(title)}</h2>{content}"


def _rows(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    listed = list(rows)
    head = "".join(
        f"<th{_class('number') if all(isinstance(row[place], int) for row in listed) else ''}>"
        f"{_text(column)}</th>"
        for place, column in enumerate(columns)
    )
    body = "".join(f"<tr>{''.join(map(_cell, columns, row))}</tr>" for row in listed)
    # A table that is wider than the window is moved, not the page.
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


@dataclass(frozen=True, slots=True)
class _Link:
    """A cell that leads to another page."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class _Progress:
    """A cell that shows how far a task's full load is."""

    statistics: Mapping[str, Any]

    @property
    def percent(self) -> int:
        return int(self.statistics["FullLoadProgressPercent"])

    @property
    def text(self) -> str:
        errors = self.statistics["TablesErrored"]
        loaded = f"{self.percent} %, {self.statistics['TablesLoaded']} tables loaded"
        return f"{loaded}, {errors} with errors" if errors else loaded


def _cell(column: str, value: object) -> str:
    kind = ""
    match value:
        case _Link(path, text):
            content = _anchor(path, text)
        case _Progress(percent=percent, text=text):
            content = f'<progress max="100" value="{percent}"></progress>{_text(text)}'
        case int():
            kind, text = "number", f"{value:,}"
            content = _text(text)
        case _:
            text = _plain(value)
            content = _text(text)
    if len(text) > _LONGEST_LINE:
        kind = "long"
    elif column in _STATES and text.startswith(_TROUBLES):
        kind = "trouble"
    return f'<td{_class(kind)} data-column="{_text(column)}">{content}</td>'


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


def _anchor(url: str, text: str) -> str:
    return f'<a href="{_text(url)}">{_text(text)}</a>'


def _text(value: object) -> str:
    return escape(_plain(value))


def _plain(value: object) -> str:
    return "" if value is None else str(value)
