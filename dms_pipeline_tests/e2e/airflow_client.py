"""A load by the operators and the sensor of Airflow's Amazon provider, run by its own Python.

Arguments: endpoint URL, ARNs of instance, source and target, and a file with the table mappings.
"""

import json
import os
import sys
from pathlib import Path

from airflow.providers.amazon.aws.hooks.dms import DmsHook, DmsTaskWaiterStatus
from airflow.providers.amazon.aws.operators.dms import (
    DmsCreateTaskOperator,
    DmsDeleteTaskOperator,
    DmsDescribeTasksOperator,
    DmsModifyTaskOperator,
    DmsStartTaskOperator,
)
from airflow.providers.amazon.aws.sensors.dms import DmsTaskCompletedSensor


def main(url: str, instance: str, source: str, target: str, mappings: str) -> None:
    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = json.dumps(
        {
            "conn_type": "aws",
            "login": "local",
            "password": "local",
            "extra": {"region_name": "us-east-1", "endpoint_url": url},
        }
    )
    hook = DmsHook()
    task = DmsCreateTaskOperator(
        task_id="create",
        replication_task_id="by-airflow",
        source_endpoint_arn=source,
        target_endpoint_arn=target,
        replication_instance_arn=instance,
        table_mappings=json.loads(Path(mappings).read_text()),
        migration_type="full-load",
    ).execute({})
    hook.wait_for_task_status(task, DmsTaskWaiterStatus.READY)
    DmsModifyTaskOperator(
        task_id="modify",
        replication_task_arn=task,
        replication_task_settings={
            "FullLoadSettings": {"TargetTablePrepMode": "TRUNCATE_BEFORE_LOAD"}
        },
    ).execute({})
    DmsStartTaskOperator(task_id="start", replication_task_arn=task).execute({})
    DmsTaskCompletedSensor(
        task_id="wait", replication_task_arn=task, poke_interval=1, timeout=120
    ).execute({})
    _, [shown] = DmsDescribeTasksOperator(
        task_id="describe",
        describe_tasks_kwargs={"Filters": [{"Name": "replication-task-arn", "Values": [task]}]},
    ).execute({})
    print(json.dumps({"status": shown["Status"], "reason": shown["StopReason"]}))
    DmsDeleteTaskOperator(task_id="delete", replication_task_arn=task).execute({})
    hook.wait_for_task_status(task, DmsTaskWaiterStatus.DELETED)


if __name__ == "__main__":
    main(*sys.argv[1:])
