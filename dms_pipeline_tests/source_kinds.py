"""Marks for tests of the fixture ``source_server`` that do not need both kinds every time."""

import pytest

on_mariadb = pytest.mark.parametrize("source_server", ["mariadb"], indirect=True)
on_mysql_in_soak = pytest.mark.parametrize(
    "source_server", ["mariadb", pytest.param("mysql", marks=pytest.mark.soak)], indirect=True
)
