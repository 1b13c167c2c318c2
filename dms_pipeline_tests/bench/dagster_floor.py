"""Dagster alone: as many assets and checks as a pipeline of `BENCH_TABLES` tables has, and no work.

Each table has a materialization with counts and a check, and the load as a whole has five checks.
"""

import os
from collections.abc import Iterator

import dagster as dg

TABLES = "BENCH_TABLES"
_LOAD_CHECKS = 5
_METADATA = {f"dms/count_{number}": number for number in range(8)}

_keys = [
    dg.AssetKey(["floor", f"t{number:03}"]) for number in range(int(os.environ.get(TABLES, "1")))
]
_load = dg.AssetKey(["floor", "load"])


@dg.multi_asset(specs=[dg.AssetSpec(key) for key in (_load, *_keys)])
def tables() -> Iterator[dg.MaterializeResult[None]]:
    """Shows each table as loaded."""
    for key in (_load, *_keys):
        yield dg.MaterializeResult(asset_key=key, metadata=_METADATA)


@dg.multi_asset_check(
    specs=[
        *(dg.AssetCheckSpec("row_count", asset=key, blocking=True) for key in _keys),
        *(dg.AssetCheckSpec(f"load_{number}", asset=_load) for number in range(_LOAD_CHECKS)),
    ]
)
def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
    """Passes each of them."""
    for key in sorted(context.selected_asset_check_keys):
        yield dg.AssetCheckResult(
            passed=True, asset_key=key.asset_key, check_name=key.name, metadata=_METADATA
        )


defs = dg.Definitions(
    assets=[tables],
    asset_checks=[checks],
    jobs=[dg.define_asset_job("floor", selection=dg.AssetSelection.assets(tables))],
    executor=dg.in_process_executor,
)
