"""`python -m tidewheel.model_package.measurement FILE [BYTES]`: opens a package, asks its examples, tells the cost.

Meant for a fresh process in the environment where the package will run; writes one JSON object to standard output. The
process may hold at most `BYTES`, by default `MEMORY_BYTES`, whichever library asks for them.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import platform
import sys
import time
from pathlib import Path
from typing import Any

MEMORY_BYTES = 8 << 30
"""Of addresses, which libraries reserve more of than they use: twice what ONNX Runtime may hold for its tensors."""

_WARM, _ASKED = 20, 400
_TWINS = {"xgboost": ("xgboost-cpu",), "xgboost-cpu": ("xgboost",)}


def measure(path: Path) -> dict[str, Any]:
    """Loads and asks a package.

    Returns:
        `latency_p50_ms`, `latency_p99_ms` of one row, `load_ms`, `memory_mb` (the peak of this process), `size_mb`,
        `difference` of the examples' answers and the `tolerance`, `libraries` with the version that the package was
        made with and the one here (null where there is none), `python`.

    Raises:
        TidewheelError: the package is damaged, or does not take its own examples.
    """
    from tidewheel.model_package.package import Package
    from tidewheel.model_package.parity import largest_difference

    package = Package.read(path)
    start = time.perf_counter()
    model = package.open()
    load_ms = 1000 * (time.perf_counter() - start)
    inputs = package.examples.inputs
    difference = largest_difference(package.examples.outputs, model.predict(inputs))
    count = len(next(iter(inputs.values())))
    rows = [{name: [values[row]] for name, values in inputs.items()} for row in range(count)]
    times = []
    for turn in range(_WARM + _ASKED):
        start = time.perf_counter()
        model.predict(rows[turn % count])
        times.append(1000 * (time.perf_counter() - start))
    asked = sorted(times[_WARM:])
    return {
        "latency_p50_ms": asked[len(asked) // 2],
        "latency_p99_ms": asked[int(len(asked) * 0.99)],
        "load_ms": load_ms,
        "memory_mb": peak_memory_mb(),
        "size_mb": path.stat().st_size / 1e6,
        "difference": float(difference),
        "tolerance": package.parity.tolerance,
        "libraries": {
            name: [made, installed_version(name)] for name, made in sorted(package.manifest.libraries.items())
        },
        "python": platform.python_version(),
    }


def peak_memory_mb() -> float:
    """The most memory that this process has held, in MB; on Linux of this program alone, not of what started it."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) * 1024 / 1e6
    except (OSError, StopIteration):
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _bound_memory(limit: int) -> None:
    import resource

    with contextlib.suppress(ValueError, OSError):  # a lower limit holds already, or the platform has none
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def installed_version(name: str) -> str | None:
    """The version of a distribution here, or of another one of the same library; None where there is none."""
    for one in (name, *_TWINS.get(name, ())):
        try:
            return importlib.metadata.version(one)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def main(arguments: list[str]) -> int:
    """Measures the named file; 1 with `error` in the object when it cannot be used."""
    from tidewheel.core.errors import TidewheelError

    limit = int(arguments[1]) if len(arguments) > 1 else MEMORY_BYTES
    _bound_memory(limit)
    try:
        facts = measure(Path(arguments[0]))
    except MemoryError:
        facts = {"error": f"it asks for more than {limit / 1e9:.1f} GB"}
    except (TidewheelError, ImportError) as error:
        facts = {"error": error.what if isinstance(error, TidewheelError) else str(error)}
    sys.stdout.write(json.dumps(facts) + "\n")
    return 1 if "error" in facts else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
