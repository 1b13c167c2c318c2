"""`make bench` at a tiny scale: every kind of workload is made and gives a right result."""

from io import StringIO

import pytest
from click.testing import CliRunner
from rich.console import Console

from dms_pipeline_tests.bench import report
from dms_pipeline_tests.bench.__main__ import FOLDER, main
from dms_pipeline_tests.bench.agreement import check_target, source_digest
from dms_pipeline_tests.bench.bench import Bench
from dms_pipeline_tests.bench.clients import Clients, find_clients
from dms_pipeline_tests.bench.dms import running_dms
from dms_pipeline_tests.bench.errors import BenchError, PeerError
from dms_pipeline_tests.bench.figure import LIMIT, OURS, Figure, Result
from dms_pipeline_tests.bench.figures import FIGURES
from dms_pipeline_tests.bench.sample import Sample
from dms_pipeline_tests.bench.servers import Servers
from dms_pipeline_tests.bench.tables import text_keyed

KINDS = (
    "cdc-text-key",
    "cdc-hot",
    "full-load-many",
    "describe",
    "row-count",
    "run-calls",
    "definitions-many",
    "run-many-postgres",
)


@pytest.fixture(scope="module")
def bench(mariadb_server, postgres, tmp_path_factory):
    try:
        clients = find_clients(FOLDER / "clients")
    except BenchError:
        clients = Clients("", "", "")
    home = tmp_path_factory.mktemp("bench") / "endpoint"
    servers = Servers(mariadb_server, postgres)
    with servers.target() as target:
        # Those of other tests belong to another account.
        for table in ("local_dms_definitions", "awsdms_txn_state", "awsdms_apply_exceptions"):
            target.execute(f"DROP TABLE IF EXISTS public.{table}")
    with running_dms(servers, home) as dms:
        yield Bench(dms, clients, scale=0.001, describe_s=0.2)


@pytest.mark.parametrize("name", KINDS)
def test_figure_is_measured(bench, name):
    with FIGURES[name](bench) as figure:
        assert figure.contenders[OURS]().seconds >= 0
        if bench.clients.mariadb:
            assert figure.contenders[LIMIT]().seconds > 0


def test_result_that_is_wrong_is_no_figure(bench):
    table = text_keyed("wrong")
    with bench.servers.source(logged=False) as source, bench.servers.target() as target:
        source.execute("CREATE DATABASE wrong")
        source.execute("USE wrong")
        source.execute(table.creation())
        for statement in table.fills(50):
            source.execute(statement)
        bench.dms.full_load("wrong")
        expected = [(table, source_digest(bench.servers, table))]
        check_target(bench.servers, expected)
        target.execute(f"UPDATE {table} SET price = price + 0.01 WHERE flag < 50")
        with pytest.raises(BenchError, match="50 rows, the target 50 others"):
            check_target(bench.servers, expected)
    bench.servers.drop("wrong")


def test_ratios_are_of_the_rounds_neighbours():
    samples = {
        OURS: [Sample(2.0, 90.0), Sample(4.0, 120.0)],
        LIMIT: [Sample(1.0), Sample(4.0)],
    }
    figure = Figure("x", {}, target=0.7, rows=100, size_bytes=1000, peak_target_mb=100)
    result = Result(figure, samples)
    assert result.ratios() == [0.5, 1.0]
    assert (result.ratio, result.peak_mb(OURS), result.target_is_met) == (0.75, 120.0, False)
    shown = report.as_json({"x": result}, {})["figures"]["x"]["contenders"][OURS]
    assert (shown["median_s"], len(shown["rounds"])) == (3.0, 2)


def test_peer_that_fails_is_left_out_and_the_others_are_measured():
    def fail():
        raise PeerError("no Java here")

    contenders = {OURS: lambda: Sample(2.0), LIMIT: lambda: Sample(1.0), "peer": fail}
    said: list[str] = []
    result = Figure("x", contenders, target=0.5, rows=10).measure(2, progress=said.append)
    assert (result.ratios(), result.peers) == ([0.5, 0.5], [])
    assert result.left_out == {"peer": "no Java here"}
    shown = Console(width=120, record=True, file=StringIO())
    shown.print(report.peers_table({"x": result}))
    assert "no Java here" in shown.export_text()


def test_unknown_figure_is_refused_in_words():
    done = CliRunner().invoke(main, ["--only", "nothing"])
    assert done.exit_code == 2
    assert "cdc-small" in done.output
