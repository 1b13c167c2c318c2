"""XA transactions in the log: they are prepared in one place and decided on in another.

Both vendors write the id in their statements as ``X'<gtrid>',X'<bqual>',<format>``; the same text
is the ``xid`` of the prepared transaction.
"""

import re
from dataclasses import dataclass
from typing import Literal

_DECISION = re.compile(r"\s*XA\s+(?P<word>COMMIT|ROLLBACK)\s+(?P<xid>X'.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class XaDecision:
    """What became of a prepared transaction."""

    xid: str
    outcome: Literal["commit", "rollback"]


def xa_decision(statement: str) -> XaDecision | None:
    """The decision that a logged statement is, None for any other statement."""
    found = _DECISION.match(statement)
    if found is None:
        return None
    outcome: Literal["commit", "rollback"] = (
        "commit" if found["word"].upper() == "COMMIT" else "rollback"
    )
    return XaDecision(found["xid"].strip(), outcome)


def parse_xa_prepare(body: bytes) -> tuple[str, bool]:
    """The id in an XA_PREPARE_LOG event, and whether it committed in the same step."""
    form, gtrid_length, bqual_length = (
        int.from_bytes(body[start : start + 4], "little") for start in (1, 5, 9)
    )
    gtrid_end = 13 + gtrid_length
    gtrid, bqual = body[13:gtrid_end], body[gtrid_end : gtrid_end + bqual_length]
    return f"X'{gtrid.hex()}',X'{bqual.hex()}',{form}", bool(body[0])
