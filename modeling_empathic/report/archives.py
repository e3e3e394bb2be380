"""Tars of strangers: a header may say anything of what stands behind it."""

import math
import tarfile
from collections.abc import Iterator
from typing import IO, Any, Literal

MOST_HEADER = 2**20  # bytes of a long name, or of what else is said of a member
_OF_NAMES = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)


class NoEndError(tarfile.ReadError):
    """The file is over where a header should be."""


def members(
    file: IO[bytes], mode: Literal["r|", "r|*"] = "r|"
) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """The members of an archive in their order, each with what extracts it, read as a stream.

    Args:
        file: The archive.
        mode: Of `tarfile.open`; `r|*` takes one that is compressed, too.

    Raises:
        NoEndError: It is over without the mark of its end; all members were whole.
        tarfile.TarError: It is damaged from here on, or goes on behind that mark.

    Example:
        >>> import io
        >>> header = tarfile.TarInfo("a.mp3")
        >>> header.size = 2**62
        >>> for _, member in members(io.BytesIO(header.tobuf())):
        ...     member.name
        Traceback (most recent call last):
        tarfile.ReadError: unexpected end of data
    """
    with tarfile.open(fileobj=file, mode=mode, tarinfo=_Header) as archive:
        stream: Any = archive.fileobj

        def seek(place: int) -> None:  # its own reads on where nothing is, for 2**62 bytes
            if place < stream.pos:
                raise tarfile.StreamError("a member that begins before its header")
            while stream.read(min(place - stream.pos, stream.bufsize)):
                pass

        stream.seek = seek
        for member in archive:
            archive.members.clear()  # type: ignore[attr-defined]  # it would keep every header
            yield archive, member
        while rest := stream.read(stream.bufsize):
            if rest.strip(b"\0"):  # two archives in a row: `tarfile` reads the first
                raise tarfile.ReadError("something stands behind the mark of its end")


class _Header(tarfile.TarInfo):
    """A header of a stranger's archive.

    What stands behind one of a long name, `tarfile` reads whole, be it gigabytes; and one that is
    damaged it takes for the end of the archive.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Header":
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) if buf else NoEndError() from None
        most = MOST_HEADER if header.type in _OF_NAMES else math.inf
        if not 0 <= header.size <= most:
            raise tarfile.ReadError("a header of an impossible size")
        return header
