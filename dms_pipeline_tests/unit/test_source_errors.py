"""What an error of the source's driver or server means for a load."""

import pymysql
import pytest

from dms_pipeline.binlog.connection import is_about_statement


@pytest.mark.parametrize(
    ("error", "is_about_it"),
    [
        (pymysql.OperationalError(1814, "Tablespace has been discarded"), True),
        (pymysql.OperationalError(3140, "Invalid JSON text"), True),
        (pymysql.ProgrammingError(1146, "Table doesn't exist"), True),
        # The driver lost the server, or the server goes away, has no room or forbids it.
        (pymysql.InterfaceError(0, ""), False),
        (pymysql.OperationalError(2013, "Lost connection"), False),
        (pymysql.OperationalError(1053, "Server shutdown in progress"), False),
        (
            pymysql.OperationalError(4031, "Disconnected because of inactivity"),
            False,
        ),
        (pymysql.OperationalError(1159, "Got timeout reading communication packets"), False),
        (pymysql.OperationalError(1114, "The table '/tmp/#sql' is full"), False),
        (pymysql.OperationalError(1142, "SELECT command denied"), False),
        (pymysql.OperationalError(1040, "Too many connections"), False),
        (OSError(5, "Input/output error"), False),
    ],
)
def test_only_what_the_server_says_of_the_statement_is_about_it(error, is_about_it):
    assert is_about_statement(error) == is_about_it
