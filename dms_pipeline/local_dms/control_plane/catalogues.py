"""What can be ordered and used: the operations that read AWS's catalogues and change nothing."""

from collections.abc import Mapping
from typing import Any

from dms_pipeline.local_dms.control_plane.endpoints import DISPLAY_NAMES, ENGINES
from dms_pipeline.local_dms.control_plane.engine_catalogue import (
    ENGINE_VERSIONS,
    LARGEST_STORAGE_GB,
    SMALLEST_STORAGE_GB,
    EngineVersion,
    included_storage_gb,
    instance_classes,
    seconds_of,
    upgrades_of,
)
from dms_pipeline.local_dms.control_plane.listing import filtered, page
from dms_pipeline.local_dms.control_plane.protocol import Operation, Request

_ZONES = "abc"


class Catalogues:
    """The operations on catalogues; endpoint types are those that the local DMS has."""

    def operations(self) -> Mapping[str, Operation]:
        return {
            "DescribeOrderableReplicationInstances": self.orderable_instances,
            "DescribeEngineVersions": self.engine_versions,
            "DescribeEndpointTypes": self.endpoint_types,
        }

    def orderable_instances(self, request: Request) -> dict[str, Any]:
        offers = [
            {
                "EngineVersion": version.version,
                "ReplicationInstanceClass": instance_class,
                "StorageType": "gp2",
                "MinAllocatedStorage": SMALLEST_STORAGE_GB,
                "MaxAllocatedStorage": LARGEST_STORAGE_GB,
                "DefaultAllocatedStorage": included_storage_gb(instance_class),
                "IncludedAllocatedStorage": included_storage_gb(instance_class),
                "AvailabilityZones": [f"{request.region}{zone}" for zone in _ZONES],
                "ReleaseStatus": "prod",
            }
            for version in ENGINE_VERSIONS
            if version.lifecycle != "DEPRECATED"
            for instance_class in instance_classes()
        ]
        shown, marker = page(
            offers,
            request.params,
            key=lambda offer: f"{offer['EngineVersion']} {offer['ReplicationInstanceClass']}",
        )
        return {"OrderableReplicationInstances": shown, "Marker": marker}

    def engine_versions(self, request: Request) -> dict[str, Any]:
        shown, marker = page(ENGINE_VERSIONS, request.params, key=lambda version: version.version)
        return {"EngineVersions": [_described_version(v) for v in shown], "Marker": marker}

    def endpoint_types(self, request: Request) -> dict[str, Any]:
        types = filtered(
            [(engine, kind) for kind, engines in ENGINES.items() for engine in engines],
            request.params,
            by={
                "engine-name": lambda pair: [pair[0]],
                "endpoint-type": lambda pair: [pair[1], pair[1].upper()],
            },
            what="Endpoint type",
            must_match=False,
        )
        shown, marker = page(types, request.params, key=" ".join)
        return {
            "SupportedEndpointTypes": [
                {
                    "EngineName": engine,
                    "SupportsCDC": True,
                    "EndpointType": kind,
                    "EngineDisplayName": DISPLAY_NAMES[engine],
                }
                for engine, kind in shown
            ],
            "Marker": marker,
        }


def _described_version(version: EngineVersion) -> dict[str, Any]:
    return {
        "Version": version.version,
        "Lifecycle": version.lifecycle,
        "ReleaseStatus": "prod",
        "LaunchDate": seconds_of(version.launched),
        "DeprecationDate": seconds_of(version.no_new_instances_from),
        "ForceUpgradeDate": seconds_of(version.forced_upgrade),
        "AvailableUpgrades": upgrades_of(version.version),
    }
