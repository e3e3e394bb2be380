"""Files of the local Hub by their content: stored once, named by their SHA-256, never changed."""

import codecs
import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

CHUNK_BYTES = 2**20
REGULAR_BYTES = 5 * 2**20  # clients hold a regular file in memory; above it, they use LFS


class HubError(Exception):
    """A request that is refused.

    Args:
        status: Of the answer.
        message: For the user.
        code: `X-Error-Code`, which clients turn into their exceptions, or None.
        headers: Further headers of the answer.
    """

    def __init__(self, status: int, message: str, code: str | None = None, **headers: str):
        super().__init__(message)
        self.status, self.code, self.headers = status, code, headers


class File(NamedTuple):
    """A file of a commit.

    Attributes:
        oid: Git's SHA-1: of the blob, or of the pointer that git holds for an LFS file.
        size: In bytes.
        sha256: Of the bytes.
        lfs: Whether it is an LFS file.
    """

    oid: str
    size: int
    sha256: str
    lfs: bool

    @property
    def etag(self) -> str:
        """What clients compare and cache by."""
        return self.sha256 if self.lfs else self.oid

    def lfs_info(self) -> dict[str, Any] | None:
        """What listings say of an LFS file; None for a regular one."""
        size = len(_pointer(self.sha256, self.size))
        about = {"sha256": self.sha256, "size": self.size, "pointerSize": size}
        return about if self.lfs else None


class Blobs:
    """Content-addressed bytes below a folder.

    Files are written under a temporary name and renamed: a killed server leaves nothing half
    written, and a reader never sees half a file.

    Args:
        folder: Made if absent.
        partial: For unfinished files; on the same file system.
    """

    def __init__(self, folder: Path, partial: Path):
        self._folder, self._partial = folder, partial

    def path(self, sha256: str) -> Path:
        """Where the bytes with this SHA-256 are, or would be.

        Raises:
            HubError: 400 if it is no SHA-256.
        """
        if not re.fullmatch("[0-9a-f]{64}", sha256):
            raise HubError(400, f"{sha256[:80]!r} is no SHA-256")
        return self._folder / sha256[:2] / sha256[2:]

    def write(self, chunks: Iterable[bytes], sha256: str | None = None) -> str:
        """Stores bytes as they come, never whole in memory; returns their SHA-256.

        Raises:
            HubError: 400, and nothing is stored, if they do not have the SHA-256 that was named.
        """
        digest = hashlib.sha256()
        handle, name = tempfile.mkstemp(dir=self._partial)
        partial = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                for chunk in chunks:
                    digest.update(chunk)
                    file.write(chunk)
            actual = digest.hexdigest()
            if sha256 is not None and actual != sha256:
                raise HubError(400, f"the bytes sent have SHA-256 {actual}, not {sha256}")
            self.path(actual).parent.mkdir(parents=True, exist_ok=True)
            partial.replace(self.path(actual))
        finally:
            partial.unlink(missing_ok=True)
        return actual

    def regular(self, content: bytes) -> File:
        """Stores a regular file."""
        return File(_git_sha1(content), len(content), self.write([content]), False)

    def large(self, sha256: str, size: int | None = None) -> File:
        """An LFS file whose bytes are here.

        Raises:
            HubError: 400 if they are not, or are not of the size named.
        """
        path = self.path(sha256)
        if not path.exists():
            raise HubError(400, f"LFS object {sha256} was not uploaded")
        actual = path.stat().st_size
        if size not in (None, actual):
            raise HubError(400, f"LFS object {sha256} has {actual} bytes, not {size}")
        return File(_git_sha1(_pointer(sha256, actual)), actual, sha256, True)

    def copy(self, path: Path) -> File:
        """Stores a file of this machine, as a client would."""
        with path.open("rb") as file:
            sample = file.read(512)
            file.seek(0)
            if upload_mode(sample, path.stat().st_size) == "regular":
                return self.regular(file.read())
            return self.large(self.write(iter(lambda: file.read(CHUNK_BYTES), b"")))

    def replace(self, path: Path, text: str) -> None:
        """Writes a file that does change, at once or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._partial / secrets.token_hex(8)
        partial.touch(mode=0o600)  # one of them is the token
        partial.write_text(text)
        partial.replace(path)


def upload_mode(sample: bytes, size: int) -> str:
    r"""`"regular"` for a text file of at most 5 MiB, else `"lfs"`, as the Hub decides.

    Args:
        sample: The first bytes.
        size: Of the file, in bytes.

    Example:
        >>> upload_mode(b"# A card", 8), upload_mode(b"PAR1\x15\x04\x15\0", 4000)
        ('regular', 'lfs')
    """
    if size > REGULAR_BYTES or b"\0" in sample:
        return "lfs"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)  # it may end within a character
    except UnicodeDecodeError:
        return "lfs"
    return "regular"


def _git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _pointer(sha256: str, size: int) -> bytes:
    lines = "version https://git-lfs.github.com/spec/v1", f"oid sha256:{sha256}", f"size {size}"
    return "".join(f"{line}\n" for line in lines).encode()
