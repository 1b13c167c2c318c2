"""All DMS operators, the sensor and the hook of Airflow's Amazon provider, run by its own Python.

A task loads, loads its table again while it runs, and is stopped; a serverless configuration is
made, shown and deleted, and its start, which is not emulated, refused.

Arguments: endpoint URL, ARNs of instance, source and target, and a file with the table mappings.
"""

import json
import os
import sys
import time
from pathlib import Path

from airflow.providers.amazon.aws.hooks.dms import DmsHook, DmsTaskWaiterStatus
from airflow.providers.amazon.aws.operators.dms import (
    DmsCreateReplicationConfigOperator,
    DmsCreateTaskOperator,
    DmsDeleteReplicationConfigOperator,
    DmsDeleteTaskOperator,
    DmsDescribeReplicationConfigsOperator,
    DmsDescribeReplicationsOperator,
    DmsDescribeTasksOperator,
    DmsModifyTaskOperator,
    DmsReloadTablesOperator,
    DmsStartReplicationOperator,
    DmsStartTaskOperator,
    DmsStopReplicationOperator,
    DmsStopTaskOperator,
)
from airflow.providers.amazon.aws.sensors.dms import DmsTaskCompletedSensor
from botocore.exceptions import ClientError

TABLE = {"SchemaName": "studentdb", "TableName": "student_details"}


def main(url: str, instance: str, source: str, target: str, mappings: str) -> None:
    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = json.dumps(
        {
            "conn_type": "aws",
            "login": "local",
            "password": "local",
            "extra": {"region_name": "us-east-1", "endpoint_url": url},
        }
    )
    load(instance, source, target, Path(mappings).read_text())
    serverless(source, target, Path(mappings).read_text())


def load(instance: str, source: str, target: str, mappings: str) -> None:
    hook = DmsHook()
    task = DmsCreateTaskOperator(
        task_id="create",
        replication_task_id="by-airflow",
        source_endpoint_arn=source,
        target_endpoint_arn=target,
        replication_instance_arn=instance,
        table_mappings=json.loads(mappings),
        migration_type="full-load-and-cdc",
    ).execute({})
    wait_until(hook, task, "ready")
    DmsModifyTaskOperator(
        task_id="modify",
        replication_task_arn=task,
        replication_task_settings={
            "FullLoadSettings": {"TargetTablePrepMode": "TRUNCATE_BEFORE_LOAD"}
        },
    ).execute({})
    DmsStartTaskOperator(task_id="start", replication_task_arn=task).execute({})
    wait_until(hook, task, "running")
    hook.get_waiter("table_reload_complete").wait(
        ReplicationTaskArn=task, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    DmsReloadTablesOperator(
        task_id="reload", replication_task_arn=task, tables_to_reload=[TABLE], waiter_delay=1
    ).execute({})
    [table] = hook.conn.describe_table_statistics(ReplicationTaskArn=task)["TableStatistics"]
    DmsStopTaskOperator(task_id="stop", replication_task_arn=task).execute({})
    DmsTaskCompletedSensor(
        task_id="wait", replication_task_arn=task, poke_interval=1, timeout=120
    ).execute({})
    _, [shown] = DmsDescribeTasksOperator(
        task_id="describe",
        describe_tasks_kwargs={"Filters": [{"Name": "replication-task-arn", "Values": [task]}]},
    ).execute({})
    told = {
        "status": shown["Status"],
        "reason": shown["StopReason"],
        "reloaded": table["FullLoadReloaded"],
    }
    print(json.dumps(told))
    DmsDeleteTaskOperator(task_id="delete", replication_task_arn=task).execute({})
    hook.wait_for_task_status(task, DmsTaskWaiterStatus.DELETED)


def wait_until(hook: DmsHook, task: str, status: str) -> None:
    """Sooner than by the hook's waiters, which look every 15 or 30 seconds."""
    while hook.get_task_status(task) != status:
        time.sleep(0.5)


def serverless(source: str, target: str, mappings: str) -> None:
    config = DmsCreateReplicationConfigOperator(
        task_id="create-config",
        replication_config_id="by-airflow",
        source_endpoint_arn=source,
        target_endpoint_arn=target,
        compute_config={"MaxCapacityUnits": 4},
        replication_type="full-load",
        table_mappings=mappings,
    ).execute({})
    by_arn = [{"Name": "replication-config-arn", "Values": [config]}]
    [shown] = DmsDescribeReplicationConfigsOperator(task_id="configs", filter=by_arn).execute({})
    [replication] = DmsDescribeReplicationsOperator(task_id="runs", filter=by_arn).execute({})
    told = {"config": shown["ReplicationConfigIdentifier"], "status": replication["Status"]}
    start = DmsStartReplicationOperator(
        task_id="start-config",
        replication_config_arn=config,
        replication_start_type="start-replication",
    )
    stop = DmsStopReplicationOperator(task_id="stop-config", replication_config_arn=config)
    told["refusals"] = [refusal(start), refusal(stop)]
    print(json.dumps(told))
    DmsDeleteReplicationConfigOperator(
        task_id="delete-config", replication_config_arn=config, waiter_delay=1
    ).execute({})


def refusal(operator: "DmsStartReplicationOperator | DmsStopReplicationOperator") -> str:
    try:
        operator.execute({})
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


if __name__ == "__main__":
    main(*sys.argv[1:])
