"""Whether a folder is on a file system on which SQLite's locks are safe."""

from __future__ import annotations

import os
from pathlib import Path

from tidewheel.core.errors import StorageError

MOUNTS = Path("/proc/self/mounts")

# Kinds whose locks or shared memory do not reach other machines, so that two writers can destroy the file.
# fmt: off
NETWORK_KINDS = {
    "afs", "beegfs", "ceph", "cifs", "davfs", "fuse.cephfs", "fuse.gcsfuse",
    "fuse.glusterfs", "fuse.goofys", "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "glusterfs", "gpfs",
    "lustre", "ncpfs", "nfs", "nfs4", "orangefs", "smb3", "smbfs",
}
# fmt: on


def find_filesystem_kind(folder: Path, mounts: str) -> str:
    """The kind of file system that holds a folder; empty when the table of mounts does not say.

    Args:
        folder: a real path, without symbolic links.
        mounts: the text of `/proc/self/mounts`.

    Example:
        >>> find_filesystem_kind(Path("/data/team/ws"), "disk / ext4 rw 0 0\\nserver:/x /data nfs4 rw 0 0\\n")
        'nfs4'
    """
    kind, depth = "", -1
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        # Spaces, tabs and the like in a mount point are written as octal escapes.
        point = Path(fields[1].encode("latin-1", "backslashreplace").decode("unicode_escape"))
        # A later mount on the same point hides the earlier one.
        if folder.is_relative_to(point) and len(point.parts) >= depth:
            kind, depth = fields[2], len(point.parts)
    return kind


def refuse_network_filesystem(path: Path) -> None:
    """Does nothing on a local disk.

    Raises:
        StorageError: the path is on a network file system; the message points to PostgreSQL.
    """
    try:
        mounts = MOUNTS.read_text()
    except OSError:
        return
    kind = find_filesystem_kind(Path(os.path.realpath(path.parent)), mounts)
    if kind in NETWORK_KINDS:
        raise StorageError(
            f"SQLite is not safe on the network file system {kind!r}",
            where=str(path),
            next_step="set workspace.metadata_url to a PostgreSQL database, or put the workspace on a local disk",
        )
