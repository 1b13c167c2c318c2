"""The catalogues: what is offered is what can be made here, or AWS's documented list."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dms_pipeline_tests.dms_objects import create_endpoint, create_instance
from dms_pipeline_tests.wsgi_bridge import client, local_aws


@pytest.fixture
def dms(tmp_path: Path) -> Iterator[Any]:
    with local_aws(tmp_path) as app:
        yield client(app, "dms")


def paged(dms: Any, operation: str, member: str, **params: Any) -> list[list[Any]]:
    pages = dms.get_paginator(operation).paginate(PaginationConfig={"PageSize": 20}, **params)
    return [page[member] for page in pages]


def test_orderable_instances_come_in_pages_each_offer_once(dms):
    pages = paged(dms, "describe_orderable_replication_instances", "OrderableReplicationInstances")
    offers = [(o["ReplicationInstanceClass"], o["EngineVersion"]) for page in pages for o in page]
    assert {len(page) for page in pages[:-1]} == {20}
    assert len(set(offers)) == len(offers) > 100
    assert ("dms.t3.medium", "3.5.4") in offers


def test_every_orderable_instance_can_be_made_in_its_zones(dms):
    offer = dms.describe_orderable_replication_instances()["OrderableReplicationInstances"][0]
    create_instance(
        dms,
        ReplicationInstanceClass=offer["ReplicationInstanceClass"],
        EngineVersion=offer["EngineVersion"],
        AllocatedStorage=offer["MinAllocatedStorage"],
        AvailabilityZone=offer["AvailabilityZones"][0],
    )


def test_engine_versions_have_one_default_which_new_instances_get(dms):
    versions = dms.describe_engine_versions()["EngineVersions"]
    (default,) = [v for v in versions if v["Lifecycle"] == "DEFAULT_VERSION"]
    create_instance(dms)
    (instance,) = dms.describe_replication_instances()["ReplicationInstances"]
    assert instance["EngineVersion"] == default["Version"]


def test_versions_can_be_upgraded_to_newer_ones_that_are_not_deprecated(dms):
    versions = {v["Version"]: v for v in dms.describe_engine_versions()["EngineVersions"]}
    for version in versions.values():
        for newer in version["AvailableUpgrades"]:
            assert versions[newer]["LaunchDate"] > version["LaunchDate"]
            assert versions[newer]["Lifecycle"] != "DEPRECATED"
    assert versions["3.6.1"]["AvailableUpgrades"] == []
    assert versions["3.5.3"]["AvailableUpgrades"] == ["3.5.4", "3.6.0", "3.6.1"]


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("engine-name", ["mysql"], {("mysql", "source")}),
        (
            "endpoint-type",
            ["target"],
            {("postgres", "target"), ("aurora-postgresql", "target")},
        ),
        ("engine-name", ["oracle"], set()),
    ],
)
def test_endpoint_types_are_filtered_and_no_match_is_an_empty_page(dms, name, values, expected):
    types = dms.describe_endpoint_types(Filters=[{"Name": name, "Values": values}])
    found = {(t["EngineName"], t["EndpointType"]) for t in types["SupportedEndpointTypes"]}
    assert found == expected


def test_every_endpoint_type_can_be_made(dms):
    for number, kind in enumerate(dms.describe_endpoint_types()["SupportedEndpointTypes"]):
        create_endpoint(
            dms,
            kind["EndpointType"],
            EngineName=kind["EngineName"],
            EndpointIdentifier=f"e{number}",
        )
    endpoints = dms.describe_endpoints()["Endpoints"]
    assert len(endpoints) == 5


def test_quotas_count_the_objects_of_the_region(dms):
    def used() -> dict[str, int]:
        quotas = dms.describe_account_attributes()["AccountQuotas"]
        return {quota["AccountQuotaName"]: quota["Used"] for quota in quotas}

    before = used()
    create_instance(dms, AllocatedStorage=70)
    create_endpoint(dms, "source")
    after = used()
    assert after == {
        **before,
        "ReplicationInstances": 1,
        "Endpoints": 1,
        "AllocatedStorage": before["AllocatedStorage"] + 70,
    }


def test_account_identifier_has_the_form_of_aws_and_stays(dms):
    first, second = (dms.describe_account_attributes() for _ in range(2))
    assert re.fullmatch("c[a-z0-9]{11}", first["UniqueAccountIdentifier"])
    assert first["UniqueAccountIdentifier"] == second["UniqueAccountIdentifier"]


@pytest.mark.parametrize("size", [19, 101])
def test_page_sizes_beyond_those_of_aws_are_refused(dms, size):
    with pytest.raises(ClientError, match="MaxRecords must be between 20 and 100"):
        dms.describe_orderable_replication_instances(MaxRecords=size)
