"""What Git knows of a project's folder, read from outside by the `git` command."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from tidewheel.core.errors import SourceError

# What `git rev-parse --local-env-vars` lists, and what changes how paths are found: a run that is started from a Git
# hook or from another repository's shell must describe its own project.
_LOCAL_VARIABLES = frozenset(
    """GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_CEILING_DIRECTORIES GIT_COMMON_DIR GIT_CONFIG GIT_DIR GIT_GLOB_PATHSPECS
    GIT_GRAFT_FILE GIT_ICASE_PATHSPECS GIT_IMPLICIT_WORK_TREE GIT_INDEX_FILE GIT_INTERNAL_SUPER_PREFIX
    GIT_LITERAL_PATHSPECS GIT_NAMESPACE GIT_NOGLOB_PATHSPECS GIT_NO_REPLACE_OBJECTS GIT_OBJECT_DIRECTORY GIT_PREFIX
    GIT_QUARANTINE_PATH GIT_REPLACE_REF_BASE GIT_SHALLOW_FILE GIT_WORK_TREE""".split()
)


class NoRepositoryError(SourceError):
    """The folder has no usable Git repository; its files can still be read without one."""


class GitState(msgspec.Struct, frozen=True, kw_only=True):
    """A project's folder as Git saw it at one moment.

    Attributes:
        commit: 40 (or 64) hexadecimal characters; empty before the first commit.
        branch: empty on a detached HEAD.
        author: name and mail address of the commit's author.
        changed: paths below the project that differ from the commit, untracked ones included.
        files: tracked and untracked-but-not-ignored paths below the project.

    Both are POSIX paths relative to the project; an untracked nested repository is one path that ends in a slash.
    """

    commit: str
    branch: str
    author: str
    changed: tuple[str, ...]
    files: tuple[str, ...]


class GitRepository:
    """A working tree.

    Args:
        top: the folder that holds `.git`.
    """

    def __init__(self, top: Path) -> None:
        self.top = top

    @classmethod
    def find(cls, root: Path) -> GitRepository | None:
        """The repository that `root` lies in, looked for upwards; None outside of one. Starts no process."""
        folder = root.resolve()
        for candidate in (folder, *folder.parents):
            if (candidate / ".git").exists():
                return cls(candidate)
        return None

    def read(self, root: Path) -> GitState:
        """Commit, branch, author, changes and files of the project at `root`.

        The project may be a subfolder of the repository; changes elsewhere do not count. Nothing is written, the index
        included. The three commands run side by side.

        Raises:
            NoRepositoryError: `git` is not installed, or says that this is no repository.
            SourceError: Git refuses, as it does for a folder that belongs to somebody else.
        """
        folder = root.resolve()
        status, listed, author = _run_together(
            folder,
            ["status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--no-renames", "--", "."],
            ["ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", "."],
            ["log", "-1", "--no-show-signature", "--format=%an <%ae>"],
        )
        for done in (status, listed):
            if done.returncode:
                raise _refusal(folder, done)
        prefix = folder.relative_to(self.top.resolve()).as_posix()
        headers, changed = _parse_status(_fields(status.stdout), "" if prefix == "." else f"{prefix}/")
        commit = headers.get("branch.oid", "(initial)")
        branch = headers.get("branch.head", "(detached)")
        return GitState(
            commit="" if commit == "(initial)" else commit,
            branch="" if branch == "(detached)" else branch,
            author=author.stdout.decode(errors="replace").strip() if author.returncode == 0 else "",
            changed=changed,
            files=tuple(sorted(set(_fields(listed.stdout)))),
        )


def _run_together(folder: Path, *commands: Sequence[str]) -> list[subprocess.CompletedProcess[bytes]]:
    environment = _environment(os.environ)
    try:
        running = [
            subprocess.Popen(
                ["git", *command],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            for command in commands
        ]
    except FileNotFoundError:
        raise NoRepositoryError(
            "git is not installed", where=str(folder), next_step="install git to record commit, branch and author"
        ) from None
    return [subprocess.CompletedProcess(one.args, *_finish(one)) for one in running]


def _finish(process: subprocess.Popen[bytes]) -> tuple[int, bytes, bytes]:
    with process:
        output, errors = process.communicate()
    return process.returncode, output, errors


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in variables.items() if name not in _LOCAL_VARIABLES}
    # Without optional locks `status` does not refresh the index, so a commit made meanwhile finds no lock in its way.
    return kept | {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def _refusal(folder: Path, done: subprocess.CompletedProcess[bytes]) -> SourceError:
    said = done.stderr.decode(errors="replace").strip()
    if "dubious ownership" in said:
        return SourceError(
            "Git refuses to read this project, because its folder belongs to another user",
            where=str(folder),
            next_step=f"if you trust it: git config --global --add safe.directory {folder}",
        )
    if "not a git repository" in said:
        return NoRepositoryError("the .git found here is no Git repository", where=str(folder))
    line = said.splitlines()[0] if said else f"exit code {done.returncode}"
    return SourceError(f"Git failed: {line}", where=str(folder), next_step="try `git status` there")


def _fields(output: bytes) -> list[str]:
    return [os.fsdecode(field) for field in output.split(b"\0") if field]


def _parse_status(fields: Sequence[str], prefix: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Headers and changed paths of `git status --porcelain=v2 -z`; its paths are relative to the repository's top."""
    headers: dict[str, str] = {}
    changed: set[str] = set()
    for field in fields:
        kind, _, rest = field.partition(" ")
        if kind == "#":
            name, _, value = rest.partition(" ")
            headers[name] = value
            continue
        # "1 XY sub mH mI mW hH hI path", "u XY sub m1 m2 m3 mW h1 h2 h3 path", "? path"
        path = rest.split(" ", {"1": 7, "u": 9}.get(kind, 0))[-1]
        changed.add(path.removeprefix(prefix))
    return headers, tuple(sorted(changed))
