"""connectorx reads, ADBC writes: Arrow from end to end, then the primary keys."""

import json
import sys

import adbc_driver_postgresql.dbapi as postgres
import connectorx


def main() -> None:
    told = json.load(sys.stdin)
    with postgres.connect(told["target"]) as target, target.cursor() as cursor:
        for table in told["tables"]:
            rows = connectorx.read_sql(
                told["source"],
                f"SELECT * FROM {told['source_schema']}.{table['name']}",
                return_type="arrow_stream",
                batch_size=50_000,
            )
            cursor.adbc_ingest(
                table["name"], rows, mode="create", db_schema_name=told["target_schema"]
            )
            place = f"{told['target_schema']}.{table['name']}"
            cursor.execute(f"ALTER TABLE {place} ADD PRIMARY KEY ({table['key']})")
            target.commit()


if __name__ == "__main__":
    main()
