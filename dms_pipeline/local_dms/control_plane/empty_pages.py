"""The read side of what the local DMS has none of: certificates, Schema Conversion, Fleet Advisor.

Each operation answers an empty page. Filters match nothing, which is a fault where the service
model gives the operation ResourceNotFoundFault. Page sizes below 20 are taken, as AWS documents a
default of 10 for one of the operations and no bounds for any.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from dms_pipeline.local_dms.control_plane.faults import invalid_value, not_found
from dms_pipeline.local_dms.control_plane.listing import page
from dms_pipeline.local_dms.control_plane.protocol import Operation, Request


class EmptyPage(NamedTuple):
    """An operation's list, and whether a filter without a match is a fault."""

    member: str
    must_match: bool = False


EMPTY_PAGES: Mapping[str, EmptyPage] = {
    "DescribeCertificates": EmptyPage("Certificates", must_match=True),
    "DescribeDataMigrations": EmptyPage("DataMigrations", must_match=True),
    "DescribeDataProviders": EmptyPage("DataProviders", must_match=True),
    "DescribeEndpointSettings": EmptyPage("EndpointSettings"),
    "DescribeExtensionPackAssociations": EmptyPage("Requests"),
    "DescribeFleetAdvisorCollectors": EmptyPage("Collectors"),
    "DescribeFleetAdvisorDatabases": EmptyPage("Databases"),
    "DescribeFleetAdvisorLsaAnalysis": EmptyPage("Analysis"),
    "DescribeFleetAdvisorSchemaObjectSummary": EmptyPage("FleetAdvisorSchemaObjects"),
    "DescribeFleetAdvisorSchemas": EmptyPage("FleetAdvisorSchemas"),
    "DescribeInstanceProfiles": EmptyPage("InstanceProfiles", must_match=True),
    "DescribeMetadataModelAssessments": EmptyPage("Requests", must_match=True),
    "DescribeMetadataModelChildren": EmptyPage("MetadataModelChildren"),
    "DescribeMetadataModelConversions": EmptyPage("Requests", must_match=True),
    "DescribeMetadataModelCreations": EmptyPage("Requests", must_match=True),
    "DescribeMetadataModelExportsAsScript": EmptyPage("Requests", must_match=True),
    "DescribeMetadataModelExportsToTarget": EmptyPage("Requests", must_match=True),
    "DescribeMetadataModelImports": EmptyPage("Requests", must_match=True),
    "DescribeMigrationProjects": EmptyPage("MigrationProjects", must_match=True),
    "DescribeRecommendationLimitations": EmptyPage("Limitations"),
    "DescribeRecommendations": EmptyPage("Recommendations"),
}
# They show one thing of a migration project, and there are no projects.
_OF_A_PROJECT = ("DescribeConversionConfiguration", "DescribeMetadataModel")


class EmptyPages:
    """The operations of the table."""

    def operations(self) -> Mapping[str, Operation]:
        pages: dict[str, Operation] = {
            name: partial(_answer, empty) for name, empty in EMPTY_PAGES.items()
        }
        return {**pages, **dict.fromkeys(_OF_A_PROJECT, _no_project)}


def _answer(empty: EmptyPage, request: Request) -> dict[str, Any]:
    params = request.params
    nothing: list[str] = []
    shown, _ = page(nothing, params, key=str, smallest=1)
    if params.get("NextToken"):
        raise invalid_value("The token is not one that this operation has returned.")
    if empty.must_match and params.get("Filters"):
        raise not_found(f"{empty.member}: nothing matches the filters.")
    return {empty.member: shown}


def _no_project(request: Request) -> dict[str, Any]:
    name = request.params["MigrationProjectIdentifier"]
    raise not_found(f"Migration project {name} not found.")
