"""A folder that a conversion makes: whole under its name, or not there."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emonet_voice.hub.pickles import ConversionError
from modeling_empathic.report.files import locked


@contextmanager
def new_folder(output: Path) -> Iterator[Path]:
    """A folder to fill that appears as `output` when it is whole, or not at all.

    Raises:
        ConversionError: There is something already.
        UserError: Another run is writing it.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.name}.converting")
    with locked(output):
        refuse_taken(output)  # another run may have made it meanwhile
        shutil.rmtree(partial, ignore_errors=True)  # left by a conversion that was killed
        partial.mkdir()
        try:
            yield partial
            if output.exists():
                output.rmdir()
            partial.rename(output)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def refuse_taken(output: Path) -> None:
    """Raises ConversionError where a folder cannot be made, before any work is done."""
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ConversionError(f"{output} exists already; name a folder that does not")
