"""What every test may ask for: a quiet hypothesis profile, and a real PostgreSQL.

The server is our own and lasts for one pytest process (each pytest-xdist worker has one): a new cluster in a temporary
folder, reached by a unix socket only, without durability. A test that needs it on a machine without PostgreSQL is
skipped with the reason, except in continuous integration (`CI=true`), where a missing server is a failure.
"""

from __future__ import annotations

import gc
import getpass
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from warm_servers import warm_servers  # noqa: F401 - a fixture

# Threads of OpenMP spin while they wait for each other: where tests share the cores, most of a fit's time was that.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

settings.register_profile("tidewheel", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("tidewheel"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "tidewheel")

_USER = "tidewheel"
_SERVER_OPTIONS = "-c listen_addresses='' -c fsync=off -c synchronous_commit=off -c full_page_writes=off"


def pytest_collection_finish() -> None:
    """What collecting made lives as long as the process: searches for garbage leave it out, for half a second each."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Start no slow test after `SLOW_TESTS_UNTIL` (seconds since 1970): what was left out stands in the summary."""
    until = os.environ.get("SLOW_TESTS_UNTIL")
    if until and item.get_closest_marker("slow") and time.time() > float(until):
        pytest.skip("the time for slow tests is used up")


def postgresql_binaries() -> Path | None:
    """The folder that holds `initdb` and `pg_ctl`: from PATH, else the newest that a Linux package installed."""
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    candidates = [*([Path(on_path).parent] if on_path else []), *packaged]
    return next((path for path in candidates if (path / "initdb").exists() and (path / "pg_ctl").exists()), None)


class PostgresqlServer:
    """One throw-away server; every call of `fresh_url` names a schema of its own, which costs milliseconds."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._binaries = binaries
        self._folder = folder
        self._numbers = itertools.count(1)
        # PostgreSQL refuses to run as root, so root hands the folder and the processes to another account.
        self._account = "postgres" if os.geteuid() == 0 else getpass.getuser()

    def start(self) -> None:
        account = pwd.getpwnam(self._account)
        os.chown(self._folder, account.pw_uid, account.pw_gid)
        data = str(self._folder / "data")
        self._call("initdb", "-D", data, "-A", "trust", "-U", _USER, "--no-sync", "--no-locale", "-E", "UTF8")
        options = f"-k {self._folder} {_SERVER_OPTIONS}"
        self._call("pg_ctl", "-D", data, "-w", "-t", "60", "-l", str(self._folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        self._call("pg_ctl", "-D", str(self._folder / "data"), "-w", "-m", "immediate", "stop")

    def fresh_url(self) -> str:
        """A SQLAlchemy address whose tables go into a new, empty schema."""
        import psycopg

        schema = f"test_{next(self._numbers)}"
        with psycopg.connect(host=str(self._folder), user=_USER, dbname="postgres", autocommit=True) as connection:
            connection.execute(f'create schema "{schema}"'.encode())
        return f"postgresql+psycopg://{_USER}@/postgres?host={self._folder}&options=-csearch_path%3D{schema}"

    def _call(self, program: str, *arguments: str) -> None:
        switch: dict[str, object] = {}
        if os.geteuid() == 0:
            account = pwd.getpwnam(self._account)
            switch = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        # The log file takes the server's output: an inherited pipe would stay open as long as the server lives.
        with open(self._folder.parent / f"{self._folder.name}.{program}.out", "w+", encoding="utf-8") as out:
            done = subprocess.run(
                [str(self._binaries / program), *arguments],
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=self._folder,
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
                check=False,
                **switch,  # type: ignore[call-overload]
            )
            out.seek(0)
            if done.returncode:
                raise RuntimeError(f"{program} ended with {done.returncode}:\n{out.read()}")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """A running server of this pytest process."""
    binaries = postgresql_binaries()
    if binaries is None:
        reason = "no PostgreSQL binaries (initdb, pg_ctl): run scripts/ensure-postgresql"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    # Not tmp_path_factory: its folders are closed to the other account, and a socket's path must stay under 108 bytes.
    with tempfile.TemporaryDirectory(prefix="tw-pg-") as outer:
        os.chmod(outer, 0o755)
        folder = Path(outer, "s")
        folder.mkdir()
        server = PostgresqlServer(binaries, folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def postgresql_url(postgresql_server: PostgresqlServer) -> Callable[[], str]:
    """A function: each call gives a `postgresql+psycopg://` address with an empty schema of its own.

    Example:
        def test_facts_survive(postgresql_url):
            store = open_metadata_store(postgresql_url())
    """
    return postgresql_server.fresh_url


@pytest.fixture(params=["file", "postgresql"])
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that several processes can open; not created yet."""
    if request.param == "file":
        return f"sqlite:///{tmp_path / 'metadata.db'}"
    url: str = request.getfixturevalue("postgresql_url")()
    return url
