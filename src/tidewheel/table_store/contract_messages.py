"""What a broken rule is told as."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tidewheel.core.records import ContractRule


def describe_rule(rule: ContractRule) -> str:
    """What a rule asks for, in words.

    Example:
        >>> describe_rule(ContractRule(name="n.range", kind="range", column="n", arguments={"min": 1, "max": 12}))
        "column 'n' is from 1 to 12"
    """
    arguments, column = rule.arguments, f"column {rule.column!r}"
    match rule.kind:
        case "not_null":
            return f"{column} has a value"
        case "range":
            return f"{column} is {_range(arguments)}"
        case "domain":
            return f"{column} is one of {_listed(arguments['values'])}"
        case "excluded":
            return f"{column} is none of {_listed(arguments['values'])}"
        case "pattern":
            return f"{column} matches {_declared(arguments['pattern'])}"
        case "text":
            return f"{column} {arguments['where']} with {arguments['text']!r}"
        case "length":
            return f"{column} has a length {_range(arguments)}"
        case "unique":
            return f"{', '.join(arguments['columns'])}: no two rows share it"
        case "null_share" | "quarantine_share":
            share = f"at most {arguments['max']:.1%} of"
            return f"{column} lacks {share} its values" if rule.column else f"{share} a batch go to quarantine"
        case "freshness":
            return f"the newest {rule.column!r} is at most {_duration(arguments['max_age_s'])} old"
        case "sql":
            return str(arguments["sql"])
    return f"{arguments.get('check', rule.name)}" + (f" of {column}" if rule.column else "")


def _declared(pattern: str) -> str:
    """A pattern as it was declared: that it holds from the beginning on is how pandera means `str_matches`."""
    whole = pattern.startswith("\\A(?:") and pattern.endswith(")")
    return pattern[len("\\A(?:") : -1] if whole else pattern


def row_message(rule: ContractRule, count: int, rows: int, samples: Sequence[dict[str, Any]]) -> str:
    """A rule that rows break, with the first values that do."""
    such = ""
    if rule.column and samples and rule.kind != "not_null":
        values = dict.fromkeys(repr(sample.get(rule.column)) for sample in samples)
        such = f", such as {', '.join(list(values)[:3])}"
    return f"{rule.name} ({describe_rule(rule)}): {count:,} of {rows:,} rows break it ({count / rows:.2%}){such}"


def batch_message(rule: ContractRule, measure: Any, at: datetime) -> str:
    """A rule that a batch as a whole breaks."""
    if rule.kind == "freshness":
        told = "there is none" if measure is None else f"it is of {measure:%Y-%m-%d %H:%M}, now is {at:%Y-%m-%d %H:%M}"
    else:
        told = f"{measure:.1%} are missing"
    return f"{rule.name} ({describe_rule(rule)}): {told}"


def share_message(rule: ContractRule, count: int, rows: int) -> str:
    """A batch of which too many rows would go to quarantine."""
    return f"{rule.name} ({describe_rule(rule)}): {count:,} of {rows:,} rows would ({count / rows:.1%})"


def _range(arguments: dict[str, Any]) -> str:
    least, most = arguments.get("min"), arguments.get("max")
    if isinstance(most, dict):
        ahead = most["now_plus_s"]
        return "not in the future" if not ahead else f"at most {_duration(ahead)} ahead"
    parts = []
    if least is not None:
        parts.append(f"{'from' if arguments.get('includes_min', True) else 'above'} {least}")
    if most is not None:
        parts.append(f"{'to' if arguments.get('includes_max', True) else 'below'} {most}")
    return " ".join(parts) or "anything"


def _listed(values: Sequence[Any]) -> str:
    shown = ", ".join(repr(value) for value in values[:6])
    return f"{shown}, ... ({len(values)} values)" if len(values) > 6 else shown


def _duration(seconds: float) -> str:
    days, rest = divmod(seconds, 86_400)
    number, unit = (days, "day") if not rest else (seconds / 3600, "hour")
    return f"{number:g} {unit}{'' if number == 1 else 's'}"
