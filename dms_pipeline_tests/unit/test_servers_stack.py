import stat
import tempfile
from pathlib import Path

import pytest

from dms_pipeline.errors import ConfigError, StackError
from dms_pipeline.local_dms.servers.postgres import _open_to_others
from dms_pipeline.local_dms.stack import LocalStack
from dms_pipeline.local_dms.stack.info import Login, StackInfo
from dms_pipeline.local_dms.stack.lock import exclusive


def info(home: Path) -> StackInfo:
    return StackInfo(
        home=home,
        endpoint_url="http://127.0.0.1:20001",
        mysql_dsn="mysql://admin:s3cret@127.0.0.1:20002/",
        postgres_dsn="postgresql://admin:s3cret@127.0.0.1:20003/auroradb",
        source=Login("127.0.0.1", 20002, "dms_user", "s3cret"),
        target=Login("127.0.0.1", 20003, "dms_user", "s3cret", "auroradb"),
        target_is_external=True,
    )


def test_stack_info_comes_back_as_it_was_saved(tmp_path):
    info(tmp_path).save()
    assert StackInfo.load(tmp_path) == info(tmp_path)


def test_stack_info_is_private_and_shows_no_password(tmp_path):
    info(tmp_path).save()
    assert stat.S_IMODE((tmp_path / "stack.json").stat().st_mode) == 0o600
    assert "s3cret" not in repr(info(tmp_path))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"source": 1}'])
def test_unreadable_stack_file_names_the_remedy(tmp_path, text):
    (tmp_path / "stack.json").write_text(text)
    with pytest.raises(StackError, match=r"stack\.json is not readable.*Delete this file"):
        StackInfo.load(tmp_path)


@pytest.mark.parametrize(
    ("scheme", "dsn", "expected"),
    [
        ("mysql", "mysql://u:p@db:3307/", Login("db", 3307, "u", "p")),
        ("mysql", "mysql://u@db", Login("db", 3306, "u", "")),
        ("mysql", "mysql://a%40b:p%2F%3A@db/school", Login("db", 3306, "a@b", "p/:", "school")),
        ("postgresql", "postgres://u:p@db/x", Login("db", 5432, "u", "p", "x")),
        ("postgresql", "postgresql://u:p@[::1]:6/x?a=b", Login("::1", 6, "u", "p", "x")),
    ],
)
def test_dsn_gives_the_login(scheme, dsn, expected):
    ports = {"mysql": 3306, "postgresql": 5432}
    assert Login.from_dsn(dsn, scheme=scheme, default_port=ports[scheme]) == expected


@pytest.mark.parametrize(
    ("scheme", "dsn"),
    [
        ("mysql", ""),
        ("mysql", "postgresql://u:s3cret@db/x"),
        ("mysql", "mysql://db/"),
        ("mysql", "mysql://u:s3cret@db:port/"),
        ("mysql", "mysql://u:s3cret@db:99999/"),
        ("postgresql", "mysql://u:s3cret@db/x"),
        ("postgresql", "postgresql://u:s3cret@db/"),
    ],
)
def test_unusable_dsn_says_the_form_and_not_the_password(scheme, dsn):
    with pytest.raises(ConfigError, match="needed: " + scheme) as error:
        Login.from_dsn(dsn, scheme=scheme, default_port=1)
    assert "s3cret" not in str(error.value)


def test_reset_refuses_a_folder_that_is_not_ours(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(StackError, match="was not made by the local stack"):
        LocalStack(tmp_path).reset()
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_up_refuses_a_folder_with_other_files(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(StackError, match="holds files that are not the local stack's"):
        LocalStack(tmp_path).up()
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


def test_up_refuses_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StackError, match="is a file"):
        LocalStack(tmp_path / "file").up()


def test_malformed_dsn_starts_nothing(tmp_path):
    stack = LocalStack(tmp_path / "local")
    with pytest.raises(ConfigError):
        stack.up("mysql://")
    assert [component.state for component in stack.status().components] == ["stopped"] * 3


def test_stack_that_was_never_up_is_stopped_and_may_be_stopped_and_reset(tmp_path):
    stack = LocalStack(tmp_path / "local")
    stack.down()
    stack.reset()
    assert not stack.status().is_up
    assert not stack.home.exists()
    with pytest.raises(StackError, match="dms-pipeline local up"):
        stack.info()


def test_reset_deletes_all_of_our_folder(tmp_path):
    stack = LocalStack(tmp_path / "local")
    with pytest.raises(ConfigError):
        stack.up("mysql://")
    (stack.home / "dagster").mkdir()
    (stack.home / "dagster" / "runs.db").touch()
    stack.reset()
    assert list(tmp_path.iterdir()) == []


def test_second_command_does_not_get_the_lock(tmp_path):
    lock_file = tmp_path / "lock"
    with (
        exclusive(lock_file, on_progress=print),
        pytest.raises(StackError, match="Another command"),
        exclusive(lock_file, on_progress=print, timeout_s=-1),
    ):
        pass
    with exclusive(lock_file, on_progress=print, timeout_s=-1):
        pass


def test_lock_on_a_deleted_file_does_not_count(tmp_path):
    """A reset deletes the lock file while another command already waits for it."""
    lock_file = tmp_path / "lock"
    with exclusive(lock_file, on_progress=print):
        lock_file.unlink()
        with (
            exclusive(lock_file, on_progress=print, timeout_s=-1),
            pytest.raises(StackError),
            exclusive(lock_file, on_progress=print, timeout_s=-1),
        ):
            pass


@pytest.mark.parametrize(("mode", "expected"), [(0o700, False), (0o711, True), (0o755, True)])
def test_one_closed_folder_on_the_way_closes_it(tmp_path, mode, expected):
    # pytest's own folders above are closed to others: the way is looked at from the root.
    top = Path("/") / "tmp"
    if not _open_to_others(top):
        pytest.skip("this machine's /tmp is closed to others")
    with tempfile.TemporaryDirectory(dir=top) as name:
        folder = Path(name)
        (folder / "inner").mkdir(mode=0o755)
        folder.chmod(mode)
        assert _open_to_others(folder / "inner") is expected
