"""How the libraries of numbers are told how many threads to take."""

from __future__ import annotations

_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def thread_variables(count: int) -> dict[str, str]:
    """The environment of a process in which OpenMP, OpenBLAS, MKL and NumExpr take so many; they look when imported.

    Example:
        >>> thread_variables(2)["OMP_NUM_THREADS"]
        '2'
    """
    return dict.fromkeys(_VARIABLES, str(count))
