"""The numbers of the binary log's events, those of MySQL and those of MariaDB."""

from dms_pipeline.binlog.events import RowKind

# In a packet of the stream, behind a status of one byte and the event's header.
BODY = 20

QUERY, STOP, ROTATE, FORMAT, XID, TABLE_MAP = 2, 3, 4, 15, 16, 19
EXECUTE_LOAD_QUERY, INCIDENT = 18, 26
HEARTBEATS = frozenset({27, 41})
XA_PREPARE, PARTIAL_UPDATE, TRANSACTION_PAYLOAD = 38, 39, 40
MYSQL_GTIDS = frozenset({33, 34, 42})
MARIADB_GTID, MARIADB_QUERY_COMPRESSED = 162, 165
OF_TRANSACTIONS = frozenset({XID, MARIADB_GTID, *MYSQL_GTIDS})

ROW_KINDS: dict[int, RowKind] = {
    23: "insert", 24: "update", 25: "delete",
    30: "insert", 31: "update", 32: "delete",
    166: "insert", 167: "update", 168: "delete",
    169: "insert", 170: "update", 171: "delete",
}  # fmt: skip
ROWS_WITH_EXTRA_DATA = frozenset({30, 31, 32, 169, 170, 171})
ROWS_COMPRESSED = frozenset({166, 167, 168, 169, 170, 171})
# What a reader of statements need not look at.
OF_ROWS = frozenset({TABLE_MAP, PARTIAL_UPDATE, *ROW_KINDS})

# Values and files for a statement that follows (5, 13, 14, 9, 17), texts of statements whose rows
# follow (29, 160), and what only replicas of the same vendor act on.
PASSED_OVER = frozenset({3, 5, 9, 13, 14, 17, 28, 29, 35, 36, 37, 160, 161, 163, 164})

# The server marks events that whoever does not know them may pass over.
IGNORABLE_FLAG = 0x80
