"""The codecs of a workspace: the artifact store's own, and those of the packages above it."""

from __future__ import annotations

from functools import cache

from tidewheel.artifact_store import CodecTable


@cache
def codec_table() -> CodecTable:
    """Every type that a step may return; the codecs' libraries are imported on use."""
    return CodecTable.default().extended(
        {
            "tidewheel.model_package.package.Package": "tidewheel.model_package.codec:PackageCodec",
            "tidewheel.statistics.profile.Profile": "tidewheel.steps.profile_codec:ProfileCodec",
        }
    )
