"""Values and their bytes: deterministic codecs, and a local store that names each value by its digest.

Importing this package and storing JSON values load neither numpy nor pyarrow nor pandas; each codec imports its library
when a value of its type comes by.

Example:
    >>> import pathlib, tempfile
    >>> store = LocalArtifactStore(pathlib.Path(tempfile.mkdtemp()))
    >>> artifact = store.put({"auc": 0.71})
    >>> artifact.codec, store.load(artifact)
    ('json/1', {'auc': 0.71})
"""

from __future__ import annotations

from tidewheel.artifact_store.codec_table import CodecTable
from tidewheel.artifact_store.local import LocalArtifactStore
from tidewheel.artifact_store.protocol import Codec, identity_of

__all__ = ["Codec", "CodecTable", "LocalArtifactStore", "identity_of"]
