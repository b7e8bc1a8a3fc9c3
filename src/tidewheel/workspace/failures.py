"""Exceptions as records."""

from __future__ import annotations

import traceback
from pathlib import Path

from tidewheel.core.errors import TidewheelError
from tidewheel.core.records import Failure


def failure_of(error: BaseException) -> Failure:
    """The record of an exception, its traceback without Tidewheel's own frames above the project's."""
    frames = traceback.extract_tb(error.__traceback__)
    own = str(Path(__file__).parent.parent)
    first = next((index for index, frame in enumerate(frames) if not frame.filename.startswith(own)), len(frames))
    text = "".join([*traceback.format_list(frames[first:]), *traceback.format_exception_only(error)])
    return Failure(
        kind=type(error).__name__,
        message=str(error) if isinstance(error, TidewheelError) else f"{type(error).__name__}: {error}",
        traceback=text,
        is_retryable=not isinstance(error, TypeError | TidewheelError),
    )
