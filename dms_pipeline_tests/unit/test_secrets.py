"""Database secrets: read seldom, and seen soon when they are rotated."""

from dms_pipeline.aws.secrets import DatabaseSecrets, RecentSecrets
from dms_pipeline_tests.a_pipeline import a_world
from dms_pipeline_tests.wsgi_bridge import client


def test_rotated_secret_is_seen_some_minutes_later(tmp_path):
    secrets = DatabaseSecrets(client(a_world(tmp_path).app, "secretsmanager"))
    login = {"host": "here", "port": 3306, "username": "reader"}
    now = 1000.0
    recent = RecentSecrets(secrets, clock=lambda: now)
    secrets.write("shop", {**login, "password": "first"})
    assert recent.read("shop").password == "first"
    secrets.write("shop", {**login, "password": "second"})
    now += 299
    assert recent.read("shop").password == "first"
    now += 1
    assert recent.read("shop").password == "second"
