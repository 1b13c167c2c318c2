"""What is said of a run whose engine ended without a last word.

The engine may have committed changes that it did not come to report. The checkpoint that stands on
the target moved with them, so that is the one to go on from: from an earlier one a new task would
apply changes twice, which rows without a key show.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from dms_pipeline.errors import DmsPipelineError, TargetUnavailableError

logger = logging.getLogger(__name__)

Message = dict[str, Any]
# The specification of a run -> the checkpoint on its target, None if there is none. Raises
# DmsPipelineError when the target does not tell.
StoredCheckpoint = Callable[[dict[str, Any]], str | None]

_PATIENCE_S = 30.0
_PAUSE_S = 1.0
_IN_DOUBT = (
    "The recovery checkpoint may be behind the data, as the target does not tell: resume this task"
    " instead of starting a new one from it, or reload tables without a primary key"
)


def last_messages(find: Callable[[], str | None], *, text: str, reason: str) -> list[Message]:
    """The last messages of the run, in the engine's stead; waits for a target that is away.

    A `stored_checkpoint`, if there is one, and `failed`.

    Args:
        find: the checkpoint on the target. A ValueError says that its login is not known yet.
        text: what happened.
        reason: the stop reason.
    """
    found: list[Message] = []
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            checkpoint = find()
        except (DmsPipelineError, ValueError) as error:
            may_pass = isinstance(error, TargetUnavailableError | ValueError)
            if may_pass and time.monotonic() < deadline:
                time.sleep(_PAUSE_S)
                continue
            text = f"{text}. {_IN_DOUBT}. {error}"
        except Exception:  # the outermost loop of a thread: without an end the task would hang
            logger.exception("asking the target for a checkpoint failed")
            text = f"{text}. {_IN_DOUBT}. The log of the local DMS has the details"
        else:
            if checkpoint is not None:
                found.append({"type": "stored_checkpoint", "value": checkpoint})
        return [*found, {"type": "failed", "reason": reason, "message": text}]
