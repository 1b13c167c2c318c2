"""The command line where the packages of the local stack are not installed, as in the image."""

import sys

import pytest
from click.testing import CliRunner

from dms_pipeline.cli import cli
from dms_pipeline.errors import ConfigError


@pytest.fixture(autouse=True)
def without_psutil(monkeypatch: pytest.MonkeyPatch) -> None:
    # None in the place of a module is what Python takes for "not installed".
    monkeypatch.setitem(sys.modules, "psutil", None)
    monkeypatch.delitem(sys.modules, "dms_pipeline.cli.dev", raising=False)


def test_help_lists_all_commands_and_those_for_loads_work():
    listed = CliRunner().invoke(cli, ["--help"])
    assert listed.exit_code == 0, listed.output
    assert "Not installed here." in listed.output
    for command in ("run", "cleanup", "check", "repair", "preflight", "checkpoint"):
        assert CliRunner().invoke(cli, [command, "--help"]).exit_code == 0, command


def test_a_command_of_the_local_stack_says_what_to_install():
    ended = CliRunner().invoke(cli, ["dev", "--port", "3000"])
    assert isinstance(ended.exception, ConfigError)
    assert "psutil is not installed here" in str(ended.exception)
    assert "pip install 'dms_pipeline[local]'" in str(ended.exception)
