"""Plans by digest, and by the key under which planning can be skipped."""

from __future__ import annotations

from tidewheel.core.errors import NotFoundError
from tidewheel.core.records.record import Record
from tidewheel.metadata_store.database import Database
from tidewheel.metadata_store.statements import insert_new, put

_FIND = """
    SELECT plan.digest, plan.document, plan_key.extra FROM plan_key
    JOIN plan ON plan.digest = plan_key.plan_digest
    WHERE plan_key.key = :key
"""


class StoredPlan(Record, frozen=True, kw_only=True):
    """A plan as it was traced.

    Attributes:
        key: digest over all that tracing depends on.
        digest: of the plan.
        plan_json: the plan.
        extra: what its writer wants back with it; not interpreted here.
    """

    key: str
    digest: str
    plan_json: bytes
    extra: bytes = b""


class PlanStore:
    """The versions of pipelines as planned, and the cache that spares importing user code."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, key: str, plan_digest: str, plan_json: bytes, extra: bytes = b"") -> StoredPlan:
        """Records a plan, and that a key leads to it. Atomic; a key that led elsewhere leads here now."""
        with self._database.write() as connection:
            insert_new(connection, "plan", {"digest": plan_digest, "document": plan_json})
            put(connection, "plan_key", {"key": key}, {"plan_digest": plan_digest, "extra": extra})
        return StoredPlan(key=key, digest=plan_digest, plan_json=plan_json, extra=extra)

    def find(self, key: str) -> StoredPlan | None:
        """The plan that a key leads to, if tracing was done before."""
        with self._database.read() as connection:
            row = connection.first(_FIND, key=key)
        if row is None:
            return None
        digest, document, extra = row
        return StoredPlan(key=key, digest=digest, plan_json=document, extra=extra)

    def find_by_digest(self, plan_digest: str) -> bytes | None:
        """The JSON of the plan with a digest."""
        with self._database.read() as connection:
            document: bytes | None = connection.scalar("SELECT document FROM plan WHERE digest = :it", it=plan_digest)
        return document

    def get(self, plan_digest: str) -> bytes:
        """The JSON of the plan with a digest, as a run names it.

        Raises:
            NotFoundError: no such plan was recorded.
        """
        found = self.find_by_digest(plan_digest)
        if found is None:
            raise NotFoundError("plan", plan_digest, next_step="see `tidewheel runs` for what ran")
        return found
