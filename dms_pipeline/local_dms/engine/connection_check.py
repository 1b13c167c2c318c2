"""What TestConnection answers: whether an endpoint's server lets its account in."""

from typing import Any, Literal

from dms_pipeline.errors import DmsPipelineError
from dms_pipeline.local_dms.engine.target_tables import connect_target
from dms_pipeline.local_dms.engine.task_spec import source_settings, target_settings

_TIMEOUT_S = 5


def check_connection(
    endpoint_kind: Literal["source", "target"], settings: dict[str, Any]
) -> str | None:
    """The reason why the server cannot be used, or None if it answered.

    Args:
        endpoint_kind: a source is MySQL or MariaDB, a target PostgreSQL.
        settings: as ``source`` or ``target`` of a task specification.
    """
    try:
        if endpoint_kind == "source":
            source_settings(settings).connect(
                connect_timeout=_TIMEOUT_S, read_timeout=_TIMEOUT_S
            ).close()
        else:
            connect_target(target_settings(settings), timeout_s=_TIMEOUT_S).close()
    except DmsPipelineError as error:
        return str(error)
    except (KeyError, ValueError) as error:
        return f"the endpoint's settings are incomplete: {error}"
    return None
