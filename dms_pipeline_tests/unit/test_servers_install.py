from pathlib import Path

import pytest

from dms_pipeline.local_dms.servers import install
from dms_pipeline.local_dms.servers.install import find_mysqld, mysql_install_command


def program(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_server_program_is_found_in_path(tmp_path, monkeypatch):
    path = program(tmp_path, "mysqld")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_mysqld() == path


def test_server_program_is_found_outside_of_path(tmp_path, monkeypatch):
    path = program(tmp_path / "sbin", "mariadbd")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(install, "_MYSQLD_FOLDERS", (str(tmp_path / "none"), str(path.parent)))
    assert find_mysqld() == path


def test_no_server_program_is_none(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(install, "_MYSQLD_FOLDERS", ())
    assert find_mysqld() is None


@pytest.mark.parametrize(
    ("system", "present", "expected"),
    [
        ("Darwin", (), "brew install mariadb"),
        (
            "Linux",
            ("apt-get",),
            "sudo apt-get update && "
            "sudo apt-get install -y --no-install-recommends mariadb-server-core",
        ),
        ("Linux", ("dnf",), "sudo dnf install -y mariadb-server"),
    ],
    ids=["macOS", "Debian", "Fedora"],
)
def test_install_command_fits_the_system(system, present, expected):
    def which(name):
        return f"/usr/bin/{name}" if name in present else None

    assert mysql_install_command(system=system, which=which) == expected


def test_unknown_system_is_told_what_to_install():
    command = mysql_install_command(system="Linux", which=lambda _name: None)
    assert "MySQL or MariaDB server" in command
