"""Rules of a contract that only Python can check are run in a process that imports the project, as steps are."""

from __future__ import annotations

import importlib
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from tidewheel.core.errors import DefinitionError, RunError, TidewheelError
from tidewheel.core.records import TableContract
from tidewheel.core.records.record import Record
from tidewheel.orchestrator import ForkServer
from tidewheel.pipeline import Contract
from tidewheel.workspace.declaration import Reported

if TYPE_CHECKING:
    import pyarrow as pa

    from tidewheel.table_store import TableReference

REQUEST = "slow-checks.json"
_ANSWER, _ERROR = "broken.arrow", "error.json"


class SlowChecksRequest(Record, frozen=True, kw_only=True):
    """Which contract to hold which rows against.

    Attributes:
        import_roots: folders of the copy of the sources.
        module, name: where the contract is declared.
        reference: the rows, as `TableReference.to_json` writes them.
    """

    import_roots: tuple[str, ...]
    module: str
    name: str
    reference: str


def ask_slow_checks(
    worker_module: str, import_roots: tuple[Path, ...], contract: TableContract, rows: TableReference
) -> pa.Table:
    """The rows that break slow rules, found by a process of its own.

    Raises:
        ContractBrokenError: a check itself failed.
        RunError: the process died.
    """
    import pyarrow as pa

    request = SlowChecksRequest(
        import_roots=tuple(str(root) for root in import_roots),
        module=contract.module,
        name=contract.name,
        reference=rows.to_json().decode(),
    )
    with tempfile.TemporaryDirectory(prefix="tidewheel-") as name, closing(ForkServer(worker_module)) as server:
        folder, log = Path(name), Path(name, "log.txt")
        (folder / REQUEST).write_bytes(request.to_json())
        server.start(REQUEST, folder, log)
        while not (ended := server.wait(None)):
            pass
        if (folder / _ERROR).exists():
            raise Reported.from_json((folder / _ERROR).read_bytes()).to_error()
        if ended[0].code != 0 or not (folder / _ANSWER).exists():
            told = log.read_text(errors="replace").strip()[-2000:] if log.exists() else ""
            raise RunError(f"slow rules of table {contract.table!r} ended with exit code {ended[0].code}", where=told)
        with pa.OSFile(str(folder / _ANSWER)) as source:
            return pa.ipc.open_file(source).read_all()


def answer_slow_checks(folder: Path) -> int:
    """Answers the request in `folder`; the exit code is 0 when an answer was written, also one with an error."""
    import pyarrow as pa

    from tidewheel.steps.pandera_checks import run_slow_checks
    from tidewheel.table_store import TableReference

    request = SlowChecksRequest.from_json((folder / REQUEST).read_bytes())
    sys.path[:0] = request.import_roots
    try:
        contract = getattr(importlib.import_module(request.module), request.name, None)
        if not isinstance(contract, Contract):
            raise DefinitionError(f"{request.module}:{request.name} is no contract", ())
        broken = run_slow_checks(contract, TableReference.from_json(request.reference))
        with pa.OSFile(str(folder / _ANSWER), "wb") as sink, pa.ipc.new_file(sink, broken.schema) as writer:
            writer.write_table(broken)
    except TidewheelError as error:
        (folder / _ERROR).write_bytes(Reported.of(error).to_json())
    return 0
