"""The lease of a pipeline: the right to load it, held by one run at a time.

It lies beside the checkpoints (``version`` = ``lease``) and is taken by a conditional write: of any
number of runs that try, one gets it. It ends by itself some minutes after its holder's last sign of
life, so a dead run blocks nobody for long. A run and its re-executions are one holder.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dms_pipeline.aws.dynamodb import ConditionFailedError, KeyedTable
from dms_pipeline.errors import LoadError

VERSION = "lease"
"""Its sort key."""


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """Who holds a lease, until when (UTC), and where the source ended when its load began."""

    run_id: str
    taken_at: datetime
    expires_at: datetime
    source_end: str

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "LeaseRecord":
        return cls(
            run_id=item["run_id"],
            taken_at=datetime.fromtimestamp(float(item["taken_at"]), UTC),
            expires_at=datetime.fromtimestamp(float(item["expires_at"]), UTC),
            source_end=item["source_end"],
        )


class Lease:
    """One run's lease of one pipeline. Raises `AwsError` when DynamoDB does not answer."""

    def __init__(
        self,
        table: KeyedTable,
        *,
        pipeline: str,
        run_id: str,
        ttl_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._table = table
        self._pipeline = pipeline
        self._run_id = run_id
        self._ttl_s = ttl_s
        self._clock = clock
        self._taken_at = clock()
        self._renewed_at = -math.inf
        self._source_end = ""

    @property
    def source_end(self) -> str:
        """Where the source ended when the load began, in whichever try; empty before that."""
        return self._source_end

    @property
    def is_fresh(self) -> bool:
        """Whether this run has it for a while, so that nobody else can take it."""
        return self._clock() - self._renewed_at < self._ttl_s * 2 / 3

    def take(self) -> None:
        """Takes the lease, or keeps it if this run has it already.

        Raises:
            LoadError: if another run has it.
        """
        self.take_after(self.holder(also_expired=True))

    def take_after(self, present: LeaseRecord | None) -> None:
        """The same where it was just read who has, or had, the lease."""
        if present is not None and present.run_id == self._run_id:
            self._source_end = present.source_end
            self._taken_at = present.taken_at.timestamp()
            self._renewed_at = present.expires_at.timestamp() - self._ttl_s
        self.keep()

    def keep(self) -> None:
        """A sign of life: renews the lease once two thirds of its time are over.

        Raises:
            LoadError: if another run has it meanwhile.
        """
        if not self.is_fresh:
            self._write()

    def note_source_end(self, position: str) -> None:
        self._source_end = position
        self._write()

    def end(self) -> None:
        """Frees the lease of this run, which is over, and keeps its note for a repetition."""
        holder = self.holder(also_expired=True)
        if holder is not None and holder.run_id == self._run_id:
            self._source_end = holder.source_end
            self._write(expires_at=0)

    def release(self, *, force: bool = False) -> None:
        """Gives the lease back; one that another run holds stays, unless forced."""
        holder = self.holder(also_expired=True) if force else None
        run_id = holder.run_id if holder else self._run_id
        self._table.delete(self._pipeline, VERSION, only_if=("run_id", run_id))
        self._renewed_at = -math.inf

    def refusal(self) -> str:
        """Why the lease cannot be taken now, in words; empty if it can."""
        if self.is_fresh:
            return ""
        holder = self.holder()
        return "" if holder is None or holder.run_id == self._run_id else self._words(holder)

    def holder(self, *, also_expired: bool = False) -> LeaseRecord | None:
        item = self._table.get(self._pipeline, VERSION)
        if item is None:
            return None
        record = LeaseRecord.from_item(item)
        is_over = record.expires_at.timestamp() < self._clock()
        return None if is_over and not also_expired else record

    def _write(self, *, expires_at: int | None = None) -> None:
        now = self._clock()
        try:
            self._table.put_if(
                {
                    "pipeline": self._pipeline,
                    "version": VERSION,
                    "run_id": self._run_id,
                    "taken_at": str(self._taken_at),
                    "expires_at": int(now + self._ttl_s) if expires_at is None else expires_at,
                    "source_end": self._source_end,
                },
                absent_or={"run_id": ("=", self._run_id), "expires_at": ("<", int(now))},
            )
        except ConditionFailedError as error:
            raise LoadError(
                self.refusal()
                or f"{self._pipeline} is being loaded by another run; run it again in a moment"
            ) from error
        self._renewed_at = now

    def _words(self, holder: LeaseRecord) -> str:
        return (
            f"{self._pipeline} is being loaded by run {holder.run_id} since "
            f"{holder.taken_at:%Y-%m-%d %H:%M:%S} UTC; wait for it to end. If that run is dead its "
            f"lease ends at {holder.expires_at:%H:%M:%S} UTC, or now with "
            f"`dms-pipeline cleanup {self._pipeline}`"
        )
