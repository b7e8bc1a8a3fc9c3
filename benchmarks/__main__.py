"""`python -m benchmarks [NAME ...]`: measures, prints a table, writes .benchmarks/latest.json.

The exit code is 1 when a promise is broken.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.result import Result

BENCHES = (
    "noop_steps",
    "large_array",
    "parallel_steps",
    "command_start",
    "many_steps",
    "many_runs",
    "experiments",
    "append_rows",
    "many_appends",
    "contract_check",
    "sql_on_snapshot",
    "profile_table",
    "features",
    "batch_prediction",
    "gate",
    "feast_comparison",
)
LATEST = Path(".benchmarks/latest.json")


def line(result: Result) -> str:
    """A row of the table."""
    baseline = "" if result.baseline is None else f"{result.baseline:.3f} {result.unit}"
    times = f"{result.measure:.3g} {result.unit}" if result.baseline is None else f"{result.measure:.2f}x"
    bound = f"{result.bound:g} {result.unit}" if result.baseline is None else f"{result.bound:g}x"
    kept = "kept" if result.is_kept else "BROKEN"
    return f"{result.name:<44}{baseline:>12}{result.ours:>10.3f} {result.unit:<6}{times:>12}{bound:>10}  {kept}"


def main() -> int:
    """Runs the named benches, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(BENCHES)}")
    names = parser.parse_args().names or BENCHES
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        parser.error(f"there is no bench {unknown[0]!r}; there are {', '.join(BENCHES)}")
    print(f"{'measured':<44}{'baseline':>12}{'ours':>10} {'':<6}{'ratio':>12}{'promised':>10}", flush=True)
    results: list[Result] = []
    for name in names:
        for result in importlib.import_module(f"benchmarks.{name}").run():
            results.append(result)
            print(line(result), flush=True)
    LATEST.parent.mkdir(exist_ok=True)
    LATEST.write_text(json.dumps([{**asdict(one), "is_kept": one.is_kept} for one in results], indent=2) + "\n")
    return 0 if all(result.is_kept for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
