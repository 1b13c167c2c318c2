"""What Dagster is shown: jobs, assets, lineage, checks and schedules."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from dms_pipeline.definitions import build_definitions
from dms_pipeline.deployments import deployment
from dms_pipeline.errors import ConfigError
from dms_pipeline.factory import build_pipeline
from dms_pipeline.failures import step_failure
from dms_pipeline.pipeline_config import load_pipelines
from dms_pipeline_tests.a_pipeline import PIPELINES

LOAD_CHECKS = {
    "captured_is_applied",
    "no_table_errors",
    "checkpoint_advanced",
    "binary_log_kept",
    "no_schema_drift",
}


@pytest.fixture(autouse=True)
def instance() -> Iterator[None]:
    """Without one, loading asks the last that was open in this process, and it may be closed."""
    with dg.DagsterInstance.ephemeral():
        yield


def definitions(folder: Path) -> dg.Definitions:
    environment = {"DMS_PIPELINES_DIR": str(folder), "DMS_LOCAL_HOME": "/nowhere"}
    return build_definitions(deployment(environment))


def two_pipelines(folder: Path, tables: str = "  - {schema: shop, table: orders}") -> Path:
    for name in ("studentdb", "shop"):
        shutil.copytree(PIPELINES / "studentdb", folder / name)
    path = folder / "shop" / "pipeline.yaml"
    students = "  - schema: studentdb\n    table: student_details"
    assert students in path.read_text()
    path.write_text(path.read_text().replace(students, tables))
    mappings = path.with_name("table_mappings.json")
    everything = (
        mappings.read_text()
        .replace('"studentdb"', '"shop"')
        .replace('"table-name": "student_details"', '"table-name": "%"')
    )
    mappings.write_text(everything)
    return folder


def test_pipeline_has_its_jobs_schedule_sensor_and_check():
    repository = definitions(PIPELINES).get_repository_def()
    assert {name for name in repository.job_names if not name.startswith("__")} == {
        "studentdb_incremental_load",
        "studentdb_full_load",
        "studentdb_cleanup",
    }
    [schedule] = repository.schedule_defs
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 * * * *", "UTC")
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    assert {sensor.name for sensor in repository.sensor_defs} == {
        "failure_mail",
        "termination_mail",
        "late_failure_mail",
        "janitor",
        "broken_pipelines",
    }
    checks = repository.asset_graph.asset_check_keys
    students = dg.AssetKey(["postgres", "studentdb", "student_details"])
    assert [key.name for key in checks if key.asset_key == students] == ["row_count"]
    loads = dg.AssetKey(["dms", "studentdb"])
    assert {key.name for key in checks if key.asset_key == loads} == LOAD_CHECKS
    assert {key.asset_key for key in checks} == {students, loads}


def test_target_tables_lie_downstream_of_source_tables():
    graph = definitions(PIPELINES).get_repository_def().asset_graph
    target = dg.AssetKey(["postgres", "studentdb", "student_details"])
    source = dg.AssetKey(["mysql", "studentdb", "student_details"])
    assert graph.get(target).parent_keys == {source}
    assert graph.get(target).is_materializable
    assert not graph.get(source).is_materializable


def test_two_pipelines_load_side_by_side(tmp_path):
    dg.Definitions.validate_loadable(definitions(two_pipelines(tmp_path)))


def test_pipeline_of_several_tables_loads(tmp_path):
    tables = "\n".join(f"  - {{schema: shop, table: t{number}}}" for number in range(3))
    loaded = definitions(two_pipelines(tmp_path, tables))
    dg.Definitions.validate_loadable(loaded)
    assert len(loaded.resolve_asset_graph().materializable_asset_keys) == (1 + 1) + (1 + 3)


def test_tables_that_dagster_could_not_tell_apart_are_refused(tmp_path):
    tables = "  - {schema: shop, table: a-b}\n  - {schema: shop, table: a_b}"
    [shop] = (
        pipeline
        for pipeline in load_pipelines(two_pipelines(tmp_path, tables)).pipelines
        if pipeline.name == "shop"
    )
    with pytest.raises(ConfigError, match=r"shop\.a-b and shop\.a_b would both be the asset"):
        build_pipeline(shop)


@pytest.mark.parametrize("name", ["with space", "dollar$", "umlaut-ü", "slash/", "class"])
def test_table_names_that_dagster_does_not_know_are_slugged(tmp_path, name):
    loaded = definitions(two_pipelines(tmp_path, f"  - {{schema: shop, table: {name!r}}}"))
    dg.Definitions.validate_loadable(loaded)


def test_asset_jobs_hold_the_tables_and_checks_of_their_own_pipeline(tmp_path):
    repository = definitions(two_pipelines(tmp_path)).get_repository_def()
    job = repository.get_job("shop_incremental_load")
    shops = {dg.AssetKey(["postgres", "shop", "orders"]), dg.AssetKey(["dms", "shop"])}
    assert job.asset_layer.executable_asset_keys == shops
    assert {key.asset_key for key in job.asset_layer.asset_graph.asset_check_keys} == shops


def test_rows_are_compared_of_the_tables_that_ask_for_it(tmp_path):
    tables = (
        "  - {schema: shop, table: orders}\n"
        "  - {schema: shop, table: items, checks: {content: full, blocking: false}}"
    )
    repository = definitions(two_pipelines(tmp_path, tables)).get_repository_def()
    graph = repository.asset_graph
    items = dg.AssetCheckKey(dg.AssetKey(["postgres", "shop", "items"]), "content")
    assert [key for key in graph.asset_check_keys if key.name == "content"] == [items]
    assert not graph.get_check_spec(items).blocking
    assert items in repository.get_job("shop_full_load").asset_layer.asset_graph.asset_check_keys


def test_tables_are_late_when_the_pipeline_says_so(tmp_path):
    folder = two_pipelines(tmp_path)
    path = folder / "shop" / "pipeline.yaml"
    late = "freshness: {warn_after_hours: 25, fail_after_hours: 49}\n"
    path.write_text(late + path.read_text())
    graph = definitions(folder).get_repository_def().asset_graph
    orders = graph.get(dg.AssetKey(["postgres", "shop", "orders"]))
    assert orders.freshness_policy == dg.FreshnessPolicy.time_window(
        fail_window=timedelta(hours=49), warn_window=timedelta(hours=25)
    )
    students = graph.get(dg.AssetKey(["postgres", "studentdb", "student_details"]))
    assert students.freshness_policy is None


def test_steps_that_pipelines_share_run_in_the_pool_of_their_own_pipeline(tmp_path):
    job = definitions(two_pipelines(tmp_path)).resolve_job_def("shop_incremental_load")
    with dg.instance_for_test() as instance:
        concurrency = instance.create_run_for_job(job).run_op_concurrency
    assert concurrency is not None
    assert concurrency.all_pools == {"dms_shop"}
    for asset in job.asset_layer.executable_asset_keys:
        assert job.asset_layer.asset_graph.get(asset).pools == {"dms_shop"}


def test_schedule_asks_for_one_run_a_tick():
    repository = definitions(PIPELINES).get_repository_def()
    [schedule] = repository.schedule_defs
    moment = datetime(2026, 1, 2, 3, tzinfo=UTC)
    with dg.instance_for_test() as instance:
        context = dg.build_schedule_context(
            instance=instance, scheduled_execution_time=moment, repository_def=repository
        )
        data = schedule.evaluate_tick(context)
    [request] = data.run_requests or []
    assert request.run_key == moment.isoformat()


def _loaded_by(module: str, package: str) -> str:
    """Which modules of the package a new interpreter has loaded after importing ``module``."""
    script = (
        f"import sys, {module};"
        f"print([name for name in sys.modules if name.startswith('{package}')])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"DMS_LOCAL_HOME": "/nowhere", "PATH": "/usr/bin"},
    )
    return ended.stdout.strip()


def test_definitions_load_without_a_stack_and_without_the_local_dms():
    assert _loaded_by("dms_pipeline.definitions", "dms_pipeline.local_dms") == "[]"


def test_command_line_imports_dagster_only_for_a_command_that_was_asked_for():
    assert _loaded_by("dms_pipeline.cli", "dagster") == "[]"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DMS_PIPELINE_DEPLOYMENT", "production", "may be local or aws"),
        ("DMS_POLL_INTERVAL_S", "often", "number of seconds above 0"),
        ("DMS_DRAIN_WINDOW_S", "0", "number of seconds above 0"),
    ],
)
def test_environment_that_cannot_be_used_is_refused(name, value, words):
    with pytest.raises(ConfigError, match=words):
        deployment({name: value})


def test_broken_pipeline_is_a_job_that_says_why_beside_the_others(tmp_path):
    two_pipelines(tmp_path)
    (tmp_path / "shop" / "table_mappings.json").write_text("{")
    loaded = definitions(tmp_path)
    assert "studentdb_incremental_load" in loaded.get_repository_def().job_names
    job = loaded.resolve_job_def("shop_incremental_load")
    result = job.execute_in_process(raise_on_error=False)
    [event] = [event for event in result.all_events if event.is_step_failure]
    assert "shop/table_mappings.json, line 1" in step_failure(event)
