"""dlt: its SQL source through connectorx, its PostgreSQL destination through CSV."""

import json
import os
import sys
import tempfile

import dlt
from dlt.sources.sql_database import sql_database


def main() -> None:
    told = json.load(sys.stdin)
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
    source = sql_database(
        told["sqlalchemy_source"],
        schema=told["source_schema"],
        table_names=[table["name"] for table in told["tables"]],
        backend="connectorx",
        backend_kwargs={"conn": told["source"]},
        chunk_size=50_000,
    )
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "bench",
            pipelines_dir=folder,
            destination=dlt.destinations.postgres(told["target"]),
            dataset_name=told["target_schema"],
        )
        pipeline.run(source, write_disposition="replace", loader_file_format="csv")


if __name__ == "__main__":
    main()
