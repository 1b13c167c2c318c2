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
_LONGEST_WORD = 30
_COUNTERS = ("FullLoadRows", "Inserts", "Updates", "Deletes")
# Of our own mails only: what follows is already escaped.
_LINK = re.compile(r"https?://[^\s<>\"]+")
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem;"
    "border-bottom:1px solid #ddd;vertical-align:top}.wide{overflow-x:auto}"
    ".long{overflow-wrap:anywhere;min-width:14rem}"
    "pre{white-space:pre-wrap;background:#f6f6f6;padding:1rem}"
)


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
        "<p>A local AWS endpoint: DMS that really moves rows, and DynamoDB, SNS and others by "
        'moto. <a href="/mail">Mails</a></p>',
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
    statistics = shown["ReplicationTaskStats"] or {}
    progress = ""
    if statistics:
        progress = (
            f"{statistics['FullLoadProgressPercent']} %, {statistics['TablesLoaded']} tables"
            f" loaded, {statistics['TablesErrored']} with errors"
        )
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
    back = '<p><a href="/">Local AWS</a></p>'
    note = f"<p>{len(items)} of {table.item_count} items, the highest keys first.</p>"
    return _page(f"DynamoDB table {table.name}", back, note, _rows(columns, rows))


def confirmation_page(subscription: Subscription, *, is_known: bool) -> str:
    of = f"{_text(subscription.address)} to {_text(subscription.topic_arn)}"
    back = '<p><a href="/mail">Mails</a></p>'
    if not is_known:
        return _page("Not confirmed", f"<p>There is no such subscription: {of}.</p>", back)
    return _page("Subscription confirmed", f"<p>{of}</p>", back)


def _injected_faults(faults: Sequence[Mapping[str, Any]]) -> str:
    """Nothing when there are none; else whoever wonders about a failure must see them."""
    if not faults:
        return ""
    rows = [(f["kind"], f.get("identifier", "*"), str(f["struck"])) for f in faults]
    return _table("Injected faults", ("Kind", "Identifier", "Struck"), rows)


def mail_list_page(mails: Sequence[tuple[str, EmailMessage]]) -> str:
    rows = [
        (mail["Date"], mail["To"], _Link(f"/mail/{quote(key)}", str(mail["Subject"])))
        for key, mail in mails
    ]
    table = _rows(("Date", "To", "Subject"), rows)
    back = '<p><a href="/">Local AWS</a></p>'
    return _page("Mails", back, table if mails else "<p>No mail was sent yet.</p>")


def mail_page(mail: EmailMessage) -> str:
    headers = "".join(
        f"<tr><th>{name}</th><td>{_text(mail[name])}</td></tr>"
        for name in ("From", "To", "Date", "Subject")
    )
    text = _LINK.sub(r'<a href="\g<0>">\g<0></a>', _text(mail.get_content()))
    back = '<p><a href="/mail">All mails</a></p>'
    return _page(_plain(mail["Subject"]), f"<table>{headers}</table><pre>{text}</pre>", back)


def _page(title: str, *parts: str, refresh_s: int = 0) -> str:
    refresh = f'<meta http-equiv="refresh" content="{refresh_s}">' if refresh_s else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8">{refresh}'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(title)}</title><style>{_STYLE}</style><h1>{_text(title)}</h1>"
        f"{''.join(parts)}</html>"
    )


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    listed = list(rows)
    content = _rows(columns, listed) if listed else "<p>None.</p>"
    return f"<h2>{_text(title)}</h2>{content}"


def _rows(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th>{_text(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    # On a phone a wide table is moved, not the page.
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


@dataclass(frozen=True, slots=True)
class _Link:
    """A cell that leads to another page."""

    path: str
    text: str


def _cell(value: object) -> str:
    if isinstance(value, _Link):
        return f'<td><a href="{_text(value.path)}">{_text(value.text)}</a></td>'
    text = _plain(value)
    # A checkpoint has no place to break; all else breaks between words.
    is_long = any(len(word) > _LONGEST_WORD for word in text.split())
    return f"<td{' class=long' if is_long else ''}>{_text(text)}</td>"


def _text(value: object) -> str:
    return escape(_plain(value))


def _plain(value: object) -> str:
    return "" if value is None else str(value)
