import stat

import pytest

from dms_pipeline.errors import StackError
from dms_pipeline.local_dms.servers.settings import ServerSettings, write_private


def test_settings_come_back_as_they_were_saved(tmp_path):
    settings = ServerSettings.new(20_001)
    settings.save(tmp_path / "settings.json")
    assert ServerSettings.load(tmp_path / "settings.json") == settings


def test_settings_file_is_readable_by_its_owner_only(tmp_path):
    path = tmp_path / "settings.json"
    ServerSettings.new(20_001).save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_replacing_a_file_that_others_could_read_makes_it_private(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o600)


def test_failed_write_leaves_no_draft_behind(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_private(tmp_path / "folder", "text")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]


def test_passwords_differ_and_are_not_shown():
    settings = ServerSettings.new(20_001)
    assert settings.admin_password != settings.dms_password
    assert settings.admin_password not in repr(settings)
    assert settings.dms_password not in repr(settings)


def test_no_file_means_no_settings_yet(tmp_path):
    assert ServerSettings.load(tmp_path / "settings.json") is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"port": 1}', '{"other": 1}'])
def test_unreadable_settings_name_the_file_and_the_remedy(tmp_path, text):
    path = tmp_path / "settings.json"
    path.write_text(text)
    with pytest.raises(StackError, match=r"settings\.json is not readable.*delete"):
        ServerSettings.load(path)
