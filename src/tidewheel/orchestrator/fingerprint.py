"""The key under which an execution may be reused, and the difference between two of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tidewheel.core.digest import digest_value

Parts = dict[str, Any]
"""What a fingerprint is made of: a dict by part, each a dict by name or one digest."""

_MEANING = {
    "code": "code of {name}",
    "modules": "module {name} (loaded dynamically)",
    "parameters": "parameter {name}",
    "inputs": "input {name}",
    "files": "file {name}",
    "variables": "variable {name}",
    "codecs": "codec {name}",
    "python": "Python",
    "platform": "platform",
    "distributions": "package {name}",
    "step": "step",
    "seed": "seed",
    "cpu": "cpu",
}
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SHOWS_VALUES = {"parameters", "variables", "distributions", "codecs", "python", "platform", "step", "seed", "cpu"}


def fingerprint_of(parts: Mapping[str, Any]) -> str:
    """The digest over all parts; equal keys mean that the outputs may be taken over."""
    return digest_value("fingerprint", dict(parts))


def explain_difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What changed between two fingerprints, one line each, in words.

    Example:
        >>> explain_difference({"parameters": {"rate": 1}}, {"parameters": {"rate": 2}})
        ['parameter rate: 1 -> 2']
        >>> explain_difference({"code": {"m:f": "a"}}, {"code": {"m:f": "b", "m:g": "c"}})
        ['code of m:f changed', 'code of m:g is new']
        >>> explain_difference({"distributions": {"shop": "1.0"}}, {"distributions": {"shop": "3f" * 32}})
        ["package shop: '1.0' -> source 3f3f3f3f3f3f"]
    """
    lines: list[str] = []
    for part in _MEANING:
        before, after = old.get(part), new.get(part)
        if before == after:
            continue
        if isinstance(before, dict) or isinstance(after, dict):
            names = sorted({*(before or {}), *(after or {})})
            lines += [
                line for name in names if (line := _line(part, name, (before or {}).get(name), (after or {}).get(name)))
            ]
        elif line := _line(part, "", before, after):
            lines.append(line)
    return lines


def _line(part: str, name: str, before: Any, after: Any) -> str:
    if before == after:
        return ""
    subject = _MEANING[part].format(name=name)
    if before is None:
        return f"{subject} is new"
    if after is None:
        return f"{subject} is gone"
    return f"{subject}: {_told(before)} -> {_told(after)}" if part in _SHOWS_VALUES else f"{subject} changed"


def _told(value: Any) -> str:
    """A value for a line; of a digest, which a package that is worked on has for its version, the beginning."""
    return f"source {value[:12]}" if isinstance(value, str) and _DIGEST.fullmatch(value) else repr(value)
