"""Pipeline parameters on the command line: `--until 2013-04-01`, `--rounds=200` or `rounds=200`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tidewheel.core.errors import ParameterError


def parse_parameter_options(arguments: Sequence[str]) -> dict[str, str]:
    """Names and raw values; types are the pipeline's business.

    Raises:
        ParameterError: an argument has no name or no value, or comes twice.

    Example:
        >>> parse_parameter_options(["--test-days", "14", "rounds=200"])
        {'test_days': '14', 'rounds': '200'}
    """
    parameters: dict[str, str] = {}
    for name, value in _pairs(iter(arguments)):
        if name in parameters:
            raise ParameterError(f"parameter {name!r} is given twice")
        parameters[name] = value
    return parameters


def _pairs(arguments: Iterator[str]) -> Iterator[tuple[str, str]]:
    for argument in arguments:
        name, equals, value = argument.removeprefix("--").partition("=")
        if not equals:
            if not argument.startswith("--"):
                raise ParameterError(f"{argument!r} is no parameter", next_step="write --name value, or name=value")
            following = next(arguments, None)
            if following is None:
                raise ParameterError(f"parameter {name!r} has no value", next_step=f"write --{name} VALUE")
            value = following
        yield name.replace("-", "_"), value
