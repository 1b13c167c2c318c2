"""Virtual columns of which MariaDB logs other values than the table holds.

MariaDB computes a virtual column once for the log, before it hands out the value of an
AUTO_INCREMENT column and before BEFORE triggers set others. What its log then says of such a column
is not what a SELECT says, and nothing in the log tells. MySQL refuses the first and gets the second
right; stored columns are right on both.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pymysql.connections import Connection

from dms_pipeline.binlog.snapshot import is_mariadb
from dms_pipeline.binlog.table_id import TableId

logger = logging.getLogger(__name__)

_TRIGGERED = """
    SELECT DISTINCT event_object_schema, event_object_table FROM information_schema.triggers
    WHERE action_timing = 'BEFORE' AND event_manipulation <> 'DELETE'
"""
_SEES_TRIGGERS = """
    SELECT 1 FROM information_schema.user_privileges WHERE privilege_type = 'TRIGGER' LIMIT 1
"""
_QUOTED_NAME = re.compile("`((?:[^`]|``)+)`")


@dataclass(frozen=True, slots=True)
class Computation:
    """How a column gets its value: ``extra`` and ``expression`` of information_schema.columns."""

    extra: str
    expression: str | None

    @property
    def is_virtual(self) -> bool:
        return "VIRTUAL GENERATED" in self.extra.upper()

    @property
    def is_numbered(self) -> bool:
        return "auto_increment" in self.extra.lower()

    @property
    def is_masked(self) -> bool:
        """Whether a SELECT may see other values than the log holds."""
        # https://dev.mysql.com/doc/refman/9.7/en/data-masking-policy-usage.html
        return "MASKING POLICY" in self.extra.upper()

    @property
    def computed_from(self) -> tuple[str, ...]:
        """The names that the expression holds, in lower case: of columns, and maybe of others."""
        quoted = dict.fromkeys(_QUOTED_NAME.findall(self.expression or ""))
        return tuple(name.replace("``", "`").lower() for name in quoted)

    @property
    def uses_defaults(self) -> bool:
        return "default(" in (self.expression or "").lower()


def falsely_logged(
    connection: "Connection[Any]", tables: Mapping[TableId, Mapping[str, Computation]]
) -> dict[TableId, frozenset[str]]:
    """Per table the columns whose logged values cannot be relied on; tables without are left out.

    Triggers are seen by accounts with the TRIGGER privilege only; where others could be wrong
    because of one, the log warns.
    """
    virtual = {
        table: {name for name, computed in columns.items() if computed.is_virtual}
        for table, columns in tables.items()
    }
    if not any(virtual.values()) or not is_mariadb(connection):
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_TRIGGERED)
        triggered = {TableId(schema, table) for schema, table in cursor.fetchall()}
        sees_triggers = cursor.execute(_SEES_TRIGGERS) > 0
    found = {}
    for table, names in virtual.items():
        false = names if table in triggered else computed_from_number(tables[table])
        if false:
            found[table] = frozenset(false)
        if (doubtful := names - false) and not sees_triggers:
            logger.warning(
                "table %s: MariaDB logs wrong values of virtual columns (%s) if a BEFORE trigger"
                " sets what they are computed from; whether there is one is shown only to accounts"
                " with the TRIGGER privilege",
                table,
                ", ".join(sorted(doubtful)),
            )
    return found


def computed_from_number(columns: Mapping[str, Computation]) -> set[str]:
    """The virtual columns that depend on an AUTO_INCREMENT column, also through others."""
    known = {name.lower() for name, computed in columns.items() if computed.is_numbered}
    found: set[str] = set()
    while True:
        more = {
            name
            for name, computed in columns.items()
            if computed.is_virtual
            and name not in found
            and not known.isdisjoint(computed.computed_from)
        }
        if not more:
            return found
        found |= more
        known |= {name.lower() for name in more}
