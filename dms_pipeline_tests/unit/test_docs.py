"""What README and docs claim, as far as a machine can tell."""

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

from aws_probe.place import NEEDED_OUTPUTS
from aws_probe.questions import QUESTIONS
from botocore.loaders import Loader
from botocore.model import ServiceModel
from click.testing import CliRunner

from dms_pipeline import report
from dms_pipeline.cli import cli
from dms_pipeline.records import RunRecord
from dms_pipeline.stack_environment import OUTPUTS
from dms_pipeline_tests import docs
from dms_pipeline_tests.commands_of_docs import (
    NOT_RUN,
    PAGES,
    PAGES_RUN_ELSEWHERE,
    RUN_ELSEWHERE,
    commands,
    program,
)
from dms_pipeline_tests.stack_template import template
from dms_pipeline_tests.wsgi_bridge import local_aws

ROOT = Path(__file__).parents[2]


def test_every_command_of_the_docs_is_run_by_a_test():
    """Those of these programs by e2e/test_commands_of_docs.py, unless a test has them to itself."""
    told = commands()
    listed = {**RUN_ELSEWHERE, **NOT_RUN}
    unlisted = {command: page for command, page in told.items() if command not in listed}
    programs = ("dms-pipeline", "dagster", "aws", "curl", "docker")
    unknown = {each: page for each, page in unlisted.items() if program(each) not in programs}
    assert unknown == {}
    assert set(listed) <= set(told), "no page tells these any more"
    for test in (RUN_ELSEWHERE | PAGES_RUN_ELSEWHERE).values():
        assert (ROOT / "dms_pipeline_tests" / test).is_file(), test


def test_every_command_in_docs_aws_exists():
    page = (ROOT / "docs" / "aws.md").read_text()
    commands = set(re.findall(r"^    (?:\$ )?dms-pipeline ([a-z]+)", page, re.MULTILINE))
    assert {"configure", "preflight", "run", "check", "cleanup"} <= commands
    for command in commands:
        assert CliRunner().invoke(cli, [command, "--help"]).exit_code == 0, command


def test_docs_aws_lists_every_parameter_with_its_default_and_every_variable_with_its_output():
    page = (ROOT / "docs" / "aws.md").read_text()
    parameters = page.partition("## Parameters\n")[2].partition("\n## ")[0]
    listed = dict(re.findall(r"^\| (\w+) \| ?([^ |]*) \|", parameters, re.MULTILINE))
    defaults = {name: str(of.get("Default", "")) for name, of in template()["Parameters"].items()}
    assert listed == {"parameter": "default", **defaults}
    variables = dict(re.findall(r"^\| ([A-Z_]+) \| (\w+) \|$", page, re.MULTILINE))
    assert variables == OUTPUTS


def test_every_make_target_in_the_readme_exists():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"make ([a-z]+)\b", (ROOT / "README.md").read_text()):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_table_of_operations_names_all_of_aws_and_says_which_are_emulated(tmp_path):
    page = (ROOT / "docs" / "local-dms.md").read_text()
    rows = re.findall(r"^\| ([A-Z]\w+) \| (yes|no) \|", page, re.MULTILINE)
    service = ServiceModel(Loader().load_service_model("dms", "service-2"))
    assert sorted(name for name, _ in rows) == sorted(service.operation_names)
    with local_aws(tmp_path) as app:
        emulated = {name for name, answer in rows if answer == "yes"}
        assert emulated == set(app.dms.operation_names)


def test_import_contract_names_every_module_of_the_orchestration():
    package = ROOT / "dms_pipeline"
    present = {
        f"dms_pipeline.{path.stem}"
        for path in package.iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").is_file()) and path.stem != "__init__"
    }
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    named = set(contracts["contracts"][0]["source_modules"])
    assert present - named == {"dms_pipeline.local_dms", "dms_pipeline.cli", "dms_pipeline.errors"}


def test_every_picture_in_the_docs_is_there_and_small():
    for page in (ROOT / "docs").glob("*.md"):
        for alt, picture in re.findall(r"!\[([^]]*)\]\((.*?)\)", page.read_text()):
            assert alt, picture
            assert (page.parent / picture).stat().st_size < 150_000, picture


def test_the_reference_of_the_configuration_is_up_to_date():
    """`python -m dms_pipeline_tests.docs` writes it anew."""
    assert docs.PAGE.read_text() == docs.configuration_page()


def test_the_reference_names_every_variable_that_is_read():
    source = (ROOT / "dms_pipeline" / "deployments.py").read_text()
    read = set(re.findall(r'environment(?:\.get\(|, )"([A-Z_]+)"', source))
    assert len(read) >= 10
    assert read == set(docs.variables())


def test_the_example_of_the_cost_model_is_what_the_mail_says():
    page = (ROOT / "docs" / "cost-model.md").read_text()
    run = RunRecord(
        pipeline="any",
        load_date=datetime(2026, 11, 23, tzinfo=UTC),
        run_id="any",
        instance_class="dms.t3.medium",
        billed_s=942,
        active_s=101,
        price_per_hour_usd=0.07,
    )
    for line in report._cost_lines(run):
        assert f"    {line}\n" in page
    assert run.cost_usd is not None
    assert run.always_on_usd_per_day is not None
    rows = re.findall(r"^\| [\w ]+ \| (\d+) \| ([\d.]+) \| (\d+)% \|$", page, re.MULTILINE)
    assert len(rows) == 5
    for loads, cost, share in rows:
        a_day = int(loads) * run.cost_usd
        assert (cost, share) == (f"{a_day:.2f}", f"{100 * a_day / run.always_on_usd_per_day:.0f}")


def _anchors(page: Path) -> set[str]:
    """Those that a page's headings make where it is shown."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_every_link_within_the_docs_leads_to_a_page_and_a_heading():
    for page in PAGES:
        for target in re.findall(r"(?<!!)\[[^]]*\]\(([^)\s]+)\)", page.read_text()):
            name, _, anchor = target.partition("#")
            if "://" not in target:
                linked = (page.parent / name).resolve() if name else page
                assert linked.is_file(), f"{page.name}: {target}"
                assert not anchor or anchor in _anchors(linked), f"{page.name}: {target}"


def test_open_questions_in_the_docs_are_those_that_the_probe_asks():
    page = (ROOT / "docs" / "least-privilege.md").read_text()
    table = page.partition("| key | question | expected |")[2]
    told = re.findall(r"^\| ([\w-]+) \| (.+) \| (.+) \|$", table, re.MULTILINE)
    assert told == [(each.key, each.text, each.expected) for each in QUESTIONS]


def test_stack_has_the_outputs_that_the_probe_asks_for():
    template = (ROOT / "dms_pipeline" / "deploy" / "cloudformation.yaml").read_text()
    outputs = re.findall(r"^  (\w+):$", template.partition("\nOutputs:\n")[2], re.MULTILINE)
    assert {*NEEDED_OUTPUTS, "SubnetGroup", "SecurityGroups"} <= set(outputs)
