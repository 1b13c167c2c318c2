"""The validated form of one pipeline.

A pipeline is a folder with pipeline.yaml, table_mappings.json and task_settings.json. It is read
once, when Dagster loads the definitions; nothing here touches the network. What is wrong is said
with the file and the line (syntax) or the path inside it (content).
"""

import json
import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import dagster as dg
import yaml
from dagster import DagsterInvalidDefinitionError
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import ConfigError
from dms_pipeline.row_filter import ColumnFilter
from dms_pipeline.table_selection import ColumnRules, TableSelection

PIPELINE_FILE = "pipeline.yaml"
MAPPINGS_FILE = "table_mappings.json"
SETTINGS_FILE = "task_settings.json"

# A hundred pipelines are read eight times as fast by libyaml, where PyYAML was built with it.
_YamlLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# The name becomes part of DMS identifiers (at most 63 signs, no double hyphen) and of Dagster names
# (no hyphen).
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_NAME_MAX = 40


def _is_cron(value: str) -> str:
    try:
        dg.ScheduleDefinition(name="probe", job_name="probe", cron_schedule=value)
    except DagsterInvalidDefinitionError as error:
        raise ValueError(f"{value!r} is not a cron expression such as '0 * * * *'") from error
    return value


def _is_timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"{value!r} is not a time zone name such as 'Europe/Berlin'") from error
    return value


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceSection(_Section):
    """Where the rows come from."""

    endpoint: str = Field(description="DMS endpoint identifier of the MySQL or MariaDB source")
    secret: str = Field(
        description="Secrets Manager name or ARN with host, port, username, password"
    )


class TargetSection(_Section):
    """Where the rows go."""

    endpoint: str = Field(description="DMS endpoint identifier of the PostgreSQL target")
    secret: str = Field(description="Secrets Manager name or ARN, as for the source, and dbname")


def _not_yaml(value: object) -> object:
    """YAML reads the word off as false."""
    return "off" if value is False else value


Content = Literal["off", "sample", "full"]
_Content = Annotated[Content, BeforeValidator(_not_yaml)]
Severity = Literal["error", "warn"]


class TableChecksSection(_Section):
    """How one table is checked after each load; what is left out is as for the pipeline."""

    content: _Content | None = Field(
        None, description="compare the rows: none, a sixteenth (another each load), all"
    )
    severity: Severity | None = Field(None, description="of a check that fails")
    blocking: bool | None = Field(None, description="whether a failing check fails the run")
    content_budget_s: float | None = Field(
        None, gt=0, description="seconds after which comparing the rows of a table is given up"
    )


class ChecksSection(TableChecksSection):
    """How the tables are checked after each load, where a table does not say otherwise."""

    content: _Content = Field(
        "off", description="compare the rows: none, a sixteenth (another each load), all"
    )
    severity: Severity = Field("error", description="of a check that fails")
    blocking: bool = Field(True, description="whether a failing check fails the run")
    content_budget_s: float = Field(
        60, gt=0, description="seconds after which comparing the rows of a table is given up"
    )


class FreshnessSection(_Section):
    """After which time without a load Dagster shows a table as late."""

    warn_after_hours: float | None = Field(None, ge=1 / 60, description="shown as a warning")
    fail_after_hours: float = Field(ge=1 / 60, description="shown as a failure")

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if self.warn_after_hours is not None and self.warn_after_hours >= self.fail_after_hours:
            raise ValueError("warn_after_hours needs to be less than fail_after_hours")
        return self


class TableSection(_Section):
    """One table, in MySQL's names; the target's names only where the mapping renames."""

    schema_name: str = Field(alias="schema", min_length=1, description="MySQL database")
    table: str = Field(min_length=1, description="table name")
    target_schema: str | None = Field(None, description="PostgreSQL schema; default: as the source")
    target_table: str | None = Field(None, description="PostgreSQL table; default: as the source")
    accept_no_primary_key: bool = Field(
        False,
        description="load it without a primary key; whole rows are compared then",
    )
    checks: TableChecksSection = Field(
        TableChecksSection.model_validate({}), description="how this one is checked"
    )


class StopSection(_Section):
    """Where an incremental load stops, and what happens if it has not caught up by then."""

    at: Literal["server_time", "commit_time"] = Field(
        "server_time",
        description="server_time: a time of day; commit_time: the first change committed after the "
        "start, which on an idle source never comes, so the window ends that load too",
    )
    window_s: int | None = Field(
        None, ge=1, description="seconds that the load reads on; default: the deployment's"
    )
    when_behind: Literal["extend", "carry_over", "fail"] = Field(
        "extend",
        description="extend: give it another window, twice as long each time; carry_over: "
        "succeed, and leave the rest to the next load; fail: fail the run",
    )
    max_extensions: int = Field(
        3, ge=0, description="windows added before the rest is carried over after all"
    )


class ScheduleSection(_Section):
    """When the incremental load runs; switched on in the Dagster UI."""

    cron: Annotated[str, AfterValidator(_is_cron)] = Field(
        description="cron expression, such as '0 * * * *'"
    )
    timezone: Annotated[str, AfterValidator(_is_timezone)] = Field("UTC", description="IANA name")


class WindowSection(_Section):
    """Another instance class for runs that start in the minutes that a cron expression names."""

    cron: Annotated[str, AfterValidator(_is_cron)] = Field(
        description="cron expression in the schedule's time zone, such as '* * * * 1-5'"
    )
    instance_class: str = Field(alias="class", description="DMS replication instance class")
    price_per_hour_usd: float | None = Field(
        None, ge=0, description="your price of the class, for the cost in mails and UI"
    )


class InstanceSection(_Section):
    """The replication instance that each run creates and deletes."""

    mode: Literal["ephemeral", "warm"] = Field(
        "ephemeral",
        description="ephemeral: deleted after each run; warm: kept for the next run, and billed",
    )
    price_per_hour_usd: float | None = Field(
        None, ge=0, description="your price of the class, for the cost in mails and UI"
    )
    windows: tuple[WindowSection, ...] = Field(
        (), description="other classes at other times; the first that matches counts"
    )
    instance_class: str = Field(
        "dms.t3.medium", alias="class", description="DMS replication instance class"
    )
    allocated_storage_gb: int = Field(50, ge=5, le=6144, description="storage in GB")
    engine_version: str = Field(
        "3.5.4", description="DMS engine version, pinned so that a run does not change it"
    )
    multi_az: bool = Field(False, description="a standby in another availability zone")
    kms_key_id: str | None = Field(
        None, description="KMS key for its storage; default: the account's own key for DMS"
    )
    subnet_group: str | None = Field(
        None, description="replication subnet group identifier; default: the deployment's"
    )
    security_groups: tuple[str, ...] = Field(
        (), description="VPC security group ids; default: the deployment's"
    )


class _PipelineFile(_Section):
    source: SourceSection = Field(description="where the rows come from")
    target: TargetSection = Field(description="where the rows go")
    tables: tuple[TableSection, ...] = Field(
        min_length=1, description="every table that table_mappings.json selects"
    )
    schedule: ScheduleSection = Field(description="when the incremental load runs")
    instance: InstanceSection = Field(
        InstanceSection.model_validate({}), description="what a load runs on"
    )
    stop: StopSection = Field(
        StopSection.model_validate({}), description="where an incremental load stops"
    )
    on_failure: Literal["keep", "delete"] = Field(
        "keep", description="keep instance and task of a failed run for debugging, or delete them"
    )
    keep_hours: int = Field(
        24, ge=1, description="hours after which what a failed run left is deleted"
    )
    checks: ChecksSection = Field(
        ChecksSection.model_validate({}), description="how the tables are checked after each load"
    )
    freshness: FreshnessSection | None = Field(
        None, description="when a table that is not loaded is late; default: never"
    )
    notification_topic: str | None = Field(
        None, min_length=1, description="SNS topic, name or ARN; default: the deployment's"
    )


@dataclass(frozen=True, slots=True)
class TableChecks:
    """How a table is checked."""

    content: Content = "off"
    severity: Severity = "error"
    blocking: bool = True
    content_budget_s: float = 60


@dataclass(frozen=True, slots=True)
class ReplicatedTable:
    """A source table and the PostgreSQL table it is replicated to.

    ``filters``: those of each rule of the mapping that includes it.
    """

    source: TableId
    target: TableId
    accept_no_primary_key: bool = False
    filters: tuple[tuple[ColumnFilter, ...], ...] = ()
    checks: TableChecks = TableChecks()

    @property
    def is_filtered(self) -> bool:
        """Whether the mapping may leave out rows of it."""
        return any(self.filters)


@dataclass(frozen=True, slots=True)
class Network:
    """Where replication instances are, as far as it is not left to AWS."""

    subnet_group: str | None = None
    security_groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PipelineConfig:
    """Everything a pipeline needs to know; built by `load_pipeline` only."""

    name: str
    source: SourceSection
    target: TargetSection
    tables: tuple[ReplicatedTable, ...]
    schedule: ScheduleSection
    instance: InstanceSection
    stop: StopSection
    on_failure: Literal["keep", "delete"]
    keep_hours: int
    freshness: FreshnessSection | None
    notification_topic: str | None
    table_mappings: str
    task_settings: str

    @property
    def selection(self) -> TableSelection:
        """Which tables the mapping selects; read anew each time, as few ask."""
        return TableSelection.of(json.loads(self.table_mappings))

    @property
    def column_rules(self) -> ColumnRules:
        """What the mapping makes of columns; read anew each time, as few ask."""
        return ColumnRules.of(json.loads(self.table_mappings))

    def within(self, network: Network) -> "PipelineConfig":
        """The pipeline with its instances there, where it does not say itself where they are."""
        placed = {
            "subnet_group": self.instance.subnet_group or network.subnet_group,
            "security_groups": self.instance.security_groups or network.security_groups,
        }
        return replace(self, instance=self.instance.model_copy(update=placed))


@dataclass(frozen=True, slots=True)
class PipelineFolder:
    """The pipelines of a folder, in the order of their names, and what is wrong with the others."""

    pipelines: tuple[PipelineConfig, ...]
    broken: dict[str, ConfigError]


def load_pipelines(folder: Path) -> PipelineFolder:
    """Reads every pipeline below ``folder``; a wrong one does not keep the others from loading.

    Raises:
        ConfigError: if the folder has no pipeline.
    """
    names = pipeline_names(folder)
    if not names:
        raise ConfigError(f"{folder} holds no pipeline: no folder in it has a {PIPELINE_FILE}")
    pipelines: list[PipelineConfig] = []
    broken: dict[str, ConfigError] = {}
    for name in names:
        try:
            pipelines.append(load_pipeline(folder, name))
        except ConfigError as error:
            broken[name] = error
    return PipelineFolder(tuple(pipelines), broken)


def pipeline_names(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.parent.name for path in folder.glob(f"*/{PIPELINE_FILE}")))


def load_pipeline(folder: Path, name: str) -> PipelineConfig:
    """Reads ``folder/name``.

    Raises:
        ConfigError: if there is no such pipeline, or one of its files is wrong.
    """
    home = folder / name
    if not (home / PIPELINE_FILE).is_file():
        known = ", ".join(pipeline_names(folder)) or "none"
        raise ConfigError(f"there is no pipeline {name!r} in {folder}; there is: {known}")
    if not _NAME.fullmatch(name) or len(name) > _NAME_MAX:
        raise ConfigError(
            f"the pipeline folder {home} needs another name: at most {_NAME_MAX} small letters, "
            "digits and single underscores, a letter first"
        )
    file = _parse_pipeline_file(home / PIPELINE_FILE)
    mappings = _read_json(home / MAPPINGS_FILE)
    selection = _selection(home / MAPPINGS_FILE, mappings)
    settings = _read_json(home / SETTINGS_FILE)
    return PipelineConfig(
        name=name,
        source=file.source,
        target=file.target,
        tables=_tables(home / PIPELINE_FILE, file.tables, file.checks, selection),
        schedule=file.schedule,
        instance=file.instance,
        stop=file.stop,
        on_failure=file.on_failure,
        keep_hours=file.keep_hours,
        freshness=file.freshness,
        notification_topic=file.notification_topic,
        table_mappings=json.dumps(mappings),
        task_settings=json.dumps(settings),
    )


def _parse_pipeline_file(path: Path) -> _PipelineFile:
    try:
        content = yaml.load(_read_text(path), Loader=_YamlLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise ConfigError(f"{path}, line {line}: not valid YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    try:
        return _PipelineFile.model_validate(content)
    except ValidationError as error:
        faults = "\n".join(
            f"  {'.'.join(str(part) for part in fault['loc']) or 'the file'}: {fault['msg']}"
            for fault in error.errors()
        )
        raise ConfigError(f"{path} is not a valid pipeline:\n{faults}") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_read_text(path))
    except json.JSONDecodeError as error:
        where = f"{path}, line {error.lineno}, column {error.colno}"
        raise ConfigError(f"{where}: not valid JSON: {error.msg}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: needs a JSON object, found {type(content).__name__}")
    return content


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"{path} is missing; every pipeline folder needs it") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error


def _check_mappings(path: Path, mappings: dict[str, Any]) -> None:
    """The faults that DMS would only find once the instance is paid for."""
    rules = mappings.get("rules")
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise ConfigError(f"{path}: rules: needs a list of objects")
    if not any(rule.get("rule-type") == "selection" for rule in rules):
        raise ConfigError(f"{path}: rules: needs at least one rule of rule-type 'selection'")
    seen: set[str] = set()
    for index, rule in enumerate(rules):
        for key in ("rule-type", "rule-id", "rule-action"):
            if key not in rule and not (
                key == "rule-action" and rule.get("rule-type") in _NO_ACTION
            ):
                raise ConfigError(f"{path}: rules[{index}]: has no {key}")
        if not isinstance(rule.get("object-locator", {}), dict):
            raise ConfigError(f"{path}: rules[{index}].object-locator: needs an object")
        if rule["rule-type"] == "selection" and "object-locator" not in rule:
            raise ConfigError(f"{path}: rules[{index}]: has no object-locator")
        if str(rule["rule-id"]) in seen:
            raise ConfigError(f"{path}: rules[{index}]: rule-id {rule['rule-id']} is used twice")
        seen.add(str(rule["rule-id"]))


def _selection(path: Path, mappings: dict[str, Any]) -> TableSelection:
    _check_mappings(path, mappings)
    try:
        return TableSelection.of(mappings)
    except ValueError as error:
        raise ConfigError(f"{path}: rules: filters: {error}") from error


# Table settings carry their options in keys of their own.
_NO_ACTION = ("table-settings",)


def _tables(
    path: Path,
    sections: tuple[TableSection, ...],
    checks: ChecksSection,
    selection: TableSelection,
) -> tuple[ReplicatedTable, ...]:
    tables = tuple(
        ReplicatedTable(
            source=TableId(section.schema_name, section.table),
            target=TableId(
                section.target_schema or section.schema_name, section.target_table or section.table
            ),
            accept_no_primary_key=section.accept_no_primary_key,
            filters=selection.filters(TableId(section.schema_name, section.table)),
            checks=TableChecks(
                **{**checks.model_dump(), **section.checks.model_dump(exclude_none=True)}
            ),
        )
        for section in sections
    )
    for side in ("source", "target"):
        names = Counter(getattr(table, side) for table in tables)
        twice = sorted(str(name) for name, count in names.items() if count > 1)
        if twice:
            raise ConfigError(f"{path}: tables: {side} table {twice[0]} is listed twice")
    for table in tables:
        if not selection.selects(table.source):
            raise ConfigError(
                f"{path}: tables: {table.source} is not selected by {MAPPINGS_FILE}, so DMS would "
                "not load it; select it there, or take it out here"
            )
    return tables
