"""From a project's `Contract`, with its schema of pandera, to rules as data.

What one of pandera's own checks asks for has a form in SQL, with the same rows found; a check that is a function of the
project stays Python, and so does a pattern that DuckDB's regular expressions cannot say. Those are marked slow.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from types import CodeType
from typing import Any

import msgspec
import pandera.pandas as pa
import pyarrow as arrow
from pandera.api.checks import Check

from tidewheel.core.digest import digest_value
from tidewheel.core.errors import DefinitionError, ParameterError, suggest
from tidewheel.core.records import ContractColumn, ContractRule, TableContract
from tidewheel.core.records.contract import ProfilePolicy
from tidewheel.pipeline import Contract
from tidewheel.table_store.contract_columns import named_type
from tidewheel.table_store.duckdb_pattern import to_re2
from tidewheel.table_store.duckdb_syntax import parse_condition

# pandera's name of a type, or how it begins -> Arrow's; nothing for what any type may hold.
_TYPES = {
    "bool": "bool", "boolean": "bool", "str": "string", "string": "string", "category": "", "object": "",
    "int8": "int32", "int16": "int32", "int32": "int32", "int64": "int64", "uint8": "int32", "uint16": "int32",
    "uint32": "int64", "float16": "float", "float32": "float", "float64": "double", "date": "date32[day]",
    "bytes": "binary", "datetime64": "timestamp[us]",
}  # fmt: skip
_ROW_KINDS = frozenset("not_null range domain excluded pattern text length sql python unique".split())


def schema_of(contract: Contract) -> pa.DataFrameSchema | None:
    """The contract's schema, from either of pandera's forms.

    Raises:
        DefinitionError: it is something else.
    """
    schema = contract.schema
    if isinstance(schema, type) and issubclass(schema, pa.DataFrameModel):
        return schema.to_schema()
    if schema is None or isinstance(schema, pa.DataFrameSchema):
        return schema
    raise DefinitionError(
        f"the contract of table {contract.table!r} has a {type(schema).__name__} for a schema",
        (),
        next_step="use pandera.pandas.DataFrameSchema or DataFrameModel",
    )


def translate(contract: Contract, *, module: str = "", name: str = "") -> TableContract:
    """The contract as data.

    Args:
        contract: as the project declares it.
        module, name: where it is declared, so that slow checks can be found again.

    Raises:
        DefinitionError: every policy without a rule, rule about a column that the schema lacks, condition that is none,
            and column without a form, at once.
    """
    schema = schema_of(contract)
    problems: list[str] = []
    columns = tuple(_columns(schema, problems)) if schema is not None else ()
    rules = [*_schema_rules(schema), *_declared_rules(contract, problems, columns)]
    rules = [_with_policy(rule, contract.policies) for rule in _with_own_names(rules)]
    problems += _column_problems(contract, columns)
    problems += _policy_problems(contract, rules)
    profile = _profile_policies(contract, columns, rules, problems)
    if problems:
        raise DefinitionError(f"the contract of table {contract.table!r} is declared wrongly", problems)
    is_strict = schema is not None and bool(schema.strict)
    found = TableContract(
        table=contract.table, columns=columns, is_strict=is_strict, rules=tuple(rules), profile=profile
    )
    return msgspec.structs.replace(found, digest=digest_value("contract", found.to_dict()), module=module, name=name)


def slow_checks(contract: Contract) -> dict[str, tuple[str, Check]]:
    """The checks that only pandera can carry out: by rule, the column (empty for all) and the check."""
    schema = schema_of(contract)
    if schema is None:
        return {}
    rules = _with_own_names([*_schema_rules(schema), *_declared_rules(contract, [])])
    checks = [(name, check) for name, column in schema.columns.items() for check in column.checks]
    checks += [("", check) for check in schema.checks]
    slow = iter([(name, check) for name, check in checks if _compiled(name, check) is None])
    return {rule.name: next(slow) for rule in rules if rule.kind == "python"}


def _columns(schema: pa.DataFrameSchema, problems: list[str]) -> Iterator[ContractColumn]:
    for name, column in schema.columns.items():
        if column.regex or not isinstance(name, str):
            problems.append(f"column {name!r} is a pattern of names: name each column @ Contract.schema")
            continue
        yield ContractColumn(name=name, type=_type_name(name, column.dtype, problems), is_required=column.required)


def _type_name(column: str, dtype: Any, problems: list[str]) -> str:
    text = "" if dtype is None else str(dtype)
    if not text:
        return ""
    if text.endswith("[pyarrow]") and named_type(text.removesuffix("[pyarrow]")) is not None:
        return text.removesuffix("[pyarrow]")
    if re.match(r"datetime64\[.*,|timestamp\[.*tz=", text):
        return "timestamp[us, tz=UTC]"
    if found := re.fullmatch(r"[Dd]ecimal(?:128)?\((\d+), ?(\d+)\)(?:\[pyarrow\])?", text):
        return f"decimal128({found[1]}, {found[2]})"
    head = re.split(r"[\[(]", text, maxsplit=1)[0].lower()
    head = "datetime64" if head == "timestamp" else head
    if head not in _TYPES:
        problems.append(f"no table holds the type {text} of column {column!r} @ Contract.schema")
        return ""
    return _TYPES[head]


def _schema_rules(schema: pa.DataFrameSchema | None) -> Iterator[ContractRule]:
    if schema is None:
        return
    for name, column in schema.columns.items():
        if not column.nullable:
            yield ContractRule(name=f"{name}.not_null", kind="not_null", column=name)
        for check in column.checks:
            yield _rule(name, check)
        if column.unique:
            yield _unique((name,))
    if schema.unique:
        yield _unique(tuple(schema.unique))
    for check in schema.checks:
        yield _rule("", check)


def _declared_rules(
    contract: Contract, problems: list[str], columns: Sequence[ContractColumn] = ()
) -> Iterator[ContractRule]:
    for key in contract.unique:
        yield _unique((key,) if isinstance(key, str) else tuple(key))
    for column, share in contract.max_null_share.items():
        name = f"{column}.null_share"
        yield ContractRule(name=name, kind="null_share", column=column, arguments={"max": share}, policy="stop")
    if contract.max_quarantine_share is not None:
        limit: dict[str, Any] = {"max": contract.max_quarantine_share}
        yield ContractRule(name="quarantine_share", kind="quarantine_share", arguments=limit, policy="stop")
    fresh = contract.freshness
    if fresh is not None and fresh.max_age is not None:
        age = {"max_age_s": fresh.max_age.total_seconds()}
        name = f"{fresh.column}.freshness"
        yield ContractRule(name=name, kind="freshness", column=fresh.column, arguments=age, policy=fresh.policy)
    if fresh is not None and fresh.max_ahead is not None:
        limit = {"max": {"now_plus_s": fresh.max_ahead.total_seconds()}}
        yield ContractRule(name=f"{fresh.column}.future", kind="range", column=fresh.column, arguments=limit)
    types = {column.name: type_ for column in columns if (type_ := named_type(column.type)) is not None}
    for rule in contract.rules:
        try:
            parse_condition(rule.sql, arrow.schema(list(types.items())))
        except ParameterError as error:
            problems.append(f"rule {rule.name!r} is no condition: {error.what} @ Contract.rules")
        yield ContractRule(name=rule.name, kind="sql", arguments={"sql": rule.sql}, policy=rule.policy)


def _unique(columns: tuple[str, ...]) -> ContractRule:
    column = columns[0] if len(columns) == 1 else ""
    return ContractRule(
        name=f"{'+'.join(columns)}.unique", kind="unique", column=column, arguments={"columns": list(columns)}
    )


def _rule(column: str, check: Check) -> ContractRule:
    compiled = _compiled(column, check)
    severity, policy = ("warning", "flag") if check.raise_warning else ("error", "quarantine")
    prefix = f"{column}." if column else ""
    if compiled is not None:
        kind, arguments = compiled
        return msgspec.convert(
            {"name": prefix + kind, "kind": kind, "column": column, "arguments": arguments, "policy": policy,
             "severity": severity},
            ContractRule,
        )  # fmt: skip
    told = check.description or check.title or check.name or check.error or "check"
    arguments = {"check": str(told), "source": digest_value("check", _source_of(check))}
    return msgspec.convert(
        {"name": prefix + str(check.name or "check"), "kind": "python", "column": column, "arguments": arguments,
         "policy": policy, "severity": severity},
        ContractRule,
    )  # fmt: skip


def _compiled(column: str, check: Check) -> tuple[str, dict[str, Any]] | None:
    """Kind and arguments of a check that DuckDB carries out as pandera does; None for the slow ones."""
    if not column or check.groupby is not None or not check.ignore_na or not check.is_builtin_check(check.name or ""):
        return None
    given = {key: _plain(value) for key, value in (check.statistics or {}).items()}
    found: tuple[str, dict[str, Any]]
    match check.name:
        case "equal_to":
            found = ("domain", {"values": [given["value"]]})
        case "not_equal_to":
            found = ("excluded", {"values": [given["value"]]})
        case "isin":
            found = ("domain", {"values": _sorted(given["allowed_values"])})
        case "notin":
            found = ("excluded", {"values": _sorted(given["forbidden_values"])})
        case "str_matches":
            found = ("pattern", {"pattern": f"\\A(?:{given['pattern']})"})
        case "str_contains":
            found = ("pattern", {"pattern": given["pattern"]})
        case "str_startswith" | "str_endswith":
            found = ("text", {"where": "starts" if check.name == "str_startswith" else "ends", "text": given["string"]})
        case "str_length":
            exact = given.get("exact_value")
            found = ("length", {key: exact if exact is not None else given[f"{key}_value"] for key in ("min", "max")})
        case _:
            found = ("range", _range(str(check.name), given))
    return found if _is_sayable(*found) else None


def _range(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    if name == "in_range":
        return {
            "min": given["min_value"],
            "max": given["max_value"],
            "includes_min": given.get("include_min", True),
            "includes_max": given.get("include_max", True),
        }
    keys = {"greater_than": ("min", False), "greater_than_or_equal_to": ("min", True), "less_than": ("max", False)}
    keys["less_than_or_equal_to"] = ("max", True)
    if name not in keys:
        return {"unknown": name}
    key, is_included = keys[name]
    return {key: given[f"{key}_value"], f"includes_{key}": is_included}


def _is_sayable(kind: str, arguments: Mapping[str, Any]) -> bool:
    if "unknown" in arguments:
        return False
    if kind == "pattern":
        try:
            return isinstance(arguments["pattern"], str) and to_re2(arguments["pattern"]) is not None
        except re.error:
            return False
    if kind == "text" and not isinstance(arguments["text"], str):
        return False
    values = [one for value in arguments.values() for one in (value if isinstance(value, list) else [value])]
    return all(
        value is None or (isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)))
        for value in values
    ) and not (kind in ("domain", "excluded") and None in values)


def _plain(value: Any) -> Any:
    """Numbers of numpy, times and sets as JSON has them."""
    if isinstance(value, set | frozenset | tuple | list):
        return [_plain(one) for one in value]
    if hasattr(value, "item") and not isinstance(value, str):
        return value.item()
    return value.isoformat() if hasattr(value, "isoformat") else value


def _sorted(values: list[Any]) -> list[Any]:
    return sorted(values, key=lambda value: (str(type(value)), value))


def _source_of(check: Check) -> list[str]:
    """What the check does: the text of its function, and its code, since two lambdas of one line share their text."""
    function = getattr(check, "_check_fn", check)
    try:
        text = inspect.getsource(function)
    except (OSError, TypeError):
        text = str(check.name)
    code = getattr(function, "__code__", None)
    cells = [repr(cell.cell_contents) for cell in getattr(function, "__closure__", None) or ()]
    values = [cell for cell in cells if " at 0x" not in cell]
    return [text, *(_code_of(code) if code else ()), *values, *sorted(map(str, (check.statistics or {}).items()))]


def _code_of(code: CodeType) -> list[str]:
    inner = [fact for one in code.co_consts if isinstance(one, CodeType) for fact in _code_of(one)]
    plain = [repr(one) for one in code.co_consts if not isinstance(one, CodeType)]
    return [code.co_code.hex(), *code.co_names, *plain, *inner]


def _with_own_names(rules: list[ContractRule]) -> list[ContractRule]:
    """The second rule of a name gets `-2` behind it."""
    seen: dict[str, int] = {}
    named = []
    for rule in rules:
        seen[rule.name] = seen.get(rule.name, 0) + 1
        name = rule.name if seen[rule.name] == 1 else f"{rule.name}-{seen[rule.name]}"
        named.append(msgspec.structs.replace(rule, name=name))
    return named


def _with_policy(rule: ContractRule, policies: Mapping[str, Any]) -> ContractRule:
    for key in (rule.name, rule.column, rule.kind, "*"):
        if key and key in policies:
            policy = policies[key]
            # `*` means rows: what stops a batch by nature keeps doing so.
            if key == "*" and rule.kind not in _ROW_KINDS and policy != "flag":
                return rule
            if policy == "clip" and key in (rule.column, "*") and rule.kind != "range":
                return rule
            severity = "warning" if policy == "flag" else "error"
            return msgspec.convert({**rule.to_dict(), "policy": policy, "severity": severity}, ContractRule)
    severity = "warning" if rule.policy == "flag" else rule.severity
    return msgspec.convert({**rule.to_dict(), "severity": severity}, ContractRule)


def _column_problems(contract: Contract, columns: Sequence[ContractColumn]) -> Iterator[str]:
    """Columns that only a rule knows; a contract without a schema leaves the columns open."""
    known = [column.name for column in columns]
    if not known:
        return
    named = [(one, "unique") for key in contract.unique for one in ((key,) if isinstance(key, str) else key)]
    named += [(one, "schema") for one in (getattr(schema_of(contract), "unique", None) or ())]
    named += [(one, "max_null_share") for one in contract.max_null_share]
    named += [(contract.freshness.column, "freshness")] if contract.freshness is not None else []
    for name, place in named:
        if name not in known:
            yield f"there is no column {name!r} in the schema: {suggest(name, known, 'column')} @ Contract.{place}"


def _policy_problems(contract: Contract, rules: list[ContractRule]) -> list[str]:
    known = {key for rule in rules for key in (rule.name, rule.column, rule.kind) if key} | {"*"}
    problems = [
        f"no rule is meant by {key!r}: {suggest(key, known, 'rule')} @ Contract.policies"
        for key in contract.policies
        if key not in known
    ]
    for rule in rules:
        if rule.policy == "quarantine" and rule.kind not in _ROW_KINDS:
            problems.append(f"rule {rule.name!r} is about a whole batch: stop or flag @ Contract.policies")
        if rule.policy == "clip" and not _can_clip(rule):
            problems.append(f"rule {rule.name!r} has no nearest allowed value to clip to @ Contract.policies")
    return problems


def _profile_policies(
    contract: Contract, columns: Sequence[ContractColumn], rules: Sequence[ContractRule], problems: list[str]
) -> dict[str, ProfilePolicy]:
    """By column; a key's numbers only ever grow, so it is left out. Nothing when all is off and no column has an entry.

    A column's own entry is kept where `*` turns the rest off: data validation looks at all columns but those.
    """
    declared, known = contract.profile_policies, [column.name for column in columns]
    if known:
        problems += [
            f"there is no column {name!r}: {suggest(name, known, 'column')} @ Contract.profile"
            for name in declared
            if name not in (*known, "*")
        ]
    keys = {rule.column: None for rule in rules if rule.kind == "unique" and rule.column}
    found: dict[str, ProfilePolicy] = {**keys, **declared}
    return dict(sorted(found.items())) if any(found.values()) or declared.keys() - {"*"} else {}


def _can_clip(rule: ContractRule) -> bool:
    bounds = {key: rule.arguments.get(key) for key in ("min", "max")}
    is_open = any(
        value is not None and not rule.arguments.get(f"includes_{key}", True) for key, value in bounds.items()
    )
    return rule.kind == "range" and not is_open and not any(isinstance(value, dict) for value in bounds.values())
