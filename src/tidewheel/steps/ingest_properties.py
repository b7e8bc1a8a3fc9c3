"""What snapshots are committed with, so that an ingest that was interrupted can be told from one that was not."""

from __future__ import annotations

from tidewheel.core.digest import digest_value

FILE = "tidewheel.ingest."
"""Before a file's digest: the property of the snapshot that brought its rows; the value is their number and its name"""

RUN = "tidewheel.run"
"""The property of a snapshot that names the run which made it."""

INGEST_ID = "tidewheel.ingest_id"
"""The same in the commit of the good rows and in that of the quarantined ones, which counts if the other is there."""

RELEASED = "tidewheel.released."
"""Before an ingest id: the rows that it brought to quarantine were released, or are in quarantine under another id."""

CONTRACT = "tidewheel.contract"
"""The digest of the contract that the rows of a snapshot were held against."""


def content_key(table_uuid: str, content: str) -> str:
    """A content in this very table: one that was dropped and made anew under the same name has seen no file yet."""
    return digest_value("ingest", [table_uuid, content])
