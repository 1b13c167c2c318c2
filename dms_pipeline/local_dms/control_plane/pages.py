"""The HTML pages of the local endpoint, for a person; everything shown is escaped."""

from collections.abc import Iterable, Mapping, Sequence
from email.message import EmailMessage
from html import escape
from typing import Any
from urllib.parse import quote

from dms_pipeline.local_dms.control_plane.registry import Registry
from dms_pipeline.local_dms.control_plane.resources import (
    Endpoint,
    ReplicationInstance,
    ReplicationTask,
)

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem;"
    "border-bottom:1px solid #ddd}pre{white-space:pre-wrap;background:#f6f6f6;padding:1rem}"
)


def status_page(registry: Registry, faults: Sequence[Mapping[str, Any]] = ()) -> str:
    with registry.lock:
        registry.settle()
        instances = registry.all(ReplicationInstance)
        tasks = registry.all(ReplicationTask)
        endpoints = registry.all(Endpoint)
    return _page(
        "Local AWS",
        "<p>A local AWS endpoint: DMS that really moves rows, and DynamoDB, SNS and others by "
        "moto. "
        '<a href="/mail">Mails</a></p>',
        _table(
            "Replication instances",
            ("Identifier", "Region", "Status"),
            [(i.identifier, i.region, i.life.status) for i in instances],
        ),
        _table(
            "Replication tasks",
            ("Identifier", "Type", "Status", "Last end"),
            [
                (t.identifier, t.migration_type, t.life.status, t.run.stop_reason if t.run else "")
                for t in tasks
            ],
        ),
        _table(
            "Endpoints",
            ("Identifier", "Engine", "Server"),
            [
                (e.identifier, e.parameters["EngineName"], e.parameters.get("ServerName", ""))
                for e in endpoints
            ],
        ),
        _injected_faults(faults),
    )


def _injected_faults(faults: Sequence[Mapping[str, Any]]) -> str:
    """Nothing when there are none; else whoever wonders about a failure must see them."""
    if not faults:
        return ""
    rows = [(f["kind"], f.get("identifier", "*"), str(f["struck"])) for f in faults]
    return _table("Injected faults", ("Kind", "Identifier", "Struck"), rows)


def mail_list_page(mails: Sequence[tuple[str, EmailMessage]]) -> str:
    rows = "".join(
        f"<tr><td>{_text(mail['Date'])}</td><td>{_text(mail['To'])}</td>"
        f'<td><a href="/mail/{quote(key)}">{_text(mail["Subject"])}</a></td></tr>'
        for key, mail in mails
    )
    table = f"<table><tr><th>Date</th><th>To</th><th>Subject</th></tr>{rows}</table>"
    return _page("Mails", table if mails else "<p>No mail was sent yet.</p>")


def mail_page(mail: EmailMessage) -> str:
    headers = "".join(
        f"<tr><th>{name}</th><td>{_text(mail[name])}</td></tr>"
        for name in ("From", "To", "Date", "Subject")
    )
    text = _text(mail.get_content())
    back = '<p><a href="/mail">All mails</a></p>'
    return _page(_plain(mail["Subject"]), f"<table>{headers}</table><pre>{text}</pre>", back)


def _page(title: str, *parts: str) -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{_text(title)}</title>'
        f"<style>{_STYLE}</style><h1>{_text(title)}</h1>{''.join(parts)}</html>"
    )


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{_text(column)}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<h2>{_text(title)}</h2><table><tr>{head}</tr>{body}</table>"


def _text(value: object) -> str:
    return escape(_plain(value))


def _plain(value: object) -> str:
    return "" if value is None else str(value)
