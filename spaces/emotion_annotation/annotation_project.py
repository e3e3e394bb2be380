"""What the environment says about one annotation project; README.md has the table."""

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from annotation_batch import Item, read_batch
from rater_list import Person, RaterListError, read_people, sha256
from rating_store import Store

from dataset_scripts.annotations import Protocol

HERE = Path(__file__).resolve().parent
DEMO = {"human-1": "f", "human-2": "m", "human-3": "f", "human-4": "m", "organiser": ""}


class Project(NamedTuple):
    """A batch, its people, and where their ratings are.

    Attributes:
        batch: Items by id.
        people: Raters and organisers.
        store: The ratings.
        secret: Signs the session cookies; kept beside the ratings, so that a restart signs nobody
            out.
        demo_codes: Sign-in codes by name in the example project, else empty.
    """

    batch: dict[str, Item]
    people: list[Person]
    store: Store
    secret: str
    demo_codes: dict[str, str]


def open_project(environment: Mapping[str, str] = os.environ) -> Project:
    """Reads the batch and the list of raters and opens the ratings.

    Raises:
        ValueError: What is wrong with one of them, in one line.
    """
    # Not in this folder: what is uploaded to the Hub must not have answers and keys in it.
    data = Path(environment.get("ANNOTATION_DATA", Path.home() / "emonet-voice-annotation"))
    batch = read_batch(Path(environment.get("ANNOTATION_BATCH", HERE / "batch.csv")))
    secret = _secret(data / "session.key")
    given = environment.get("ANNOTATION_RATERS", "")
    codes: dict[str, str] = {}
    if given:
        # A list has several lines; a path has one. A Space's secret holds the list itself.
        people = read_people(given if "\n" in given else _text(Path(given)))
    elif "SPACE_ID" in environment:
        raise RaterListError("set the secret ANNOTATION_RATERS of this Space to a list of raters")
    else:
        codes = {name: _demo_code(secret, name) for name in DEMO}
        people = [Person(name, DEMO[name], "", sha256(codes[name])) for name in DEMO]
    protocol = Protocol(
        {person.name: person.gender for person in people if person.rates},
        _share(environment, "ANNOTATION_THIRD_SHARE", Protocol.third_share),
        _share(environment, "ANNOTATION_FOURTH_SHARE", Protocol.fourth_share),
    )
    rated = [item_id for item_id, item in batch.items() if not item.gold]
    gold = {item_id: item.gold for item_id, item in batch.items() if item.gold}
    every = _whole(environment, "ANNOTATION_GOLD_EVERY", Store.gold_every)
    store = Store(data / "ratings.sqlite", rated, protocol, gold=gold, gold_every=every)
    return Project(batch, people, store, secret, codes)


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RaterListError(f"ANNOTATION_RATERS: {error}") from None


def _share(environment: Mapping[str, str], name: str, default: float) -> float:
    try:
        return float(environment.get(name, default))
    except ValueError:
        raise ValueError(f"{name}={environment[name]!r} is not a number from 0 to 1") from None


def _whole(environment: Mapping[str, str], name: str, default: int) -> int:
    given = environment.get(name, str(default))
    if not given.isdecimal() or not 1 <= int(given) <= 1_000:
        raise ValueError(f"{name}={given!r:.40} is not a whole number from 1 to 1000")
    return int(given)


def _secret(file: Path) -> str:
    """What the file has; a new one where there is none. Never half of one: it appears whole."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not file.exists():
        new = file.with_name(f".{file.name}.{os.getpid()}")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write(secrets.token_hex(32))
        with suppress(FileExistsError):  # another process was faster
            os.link(new, file)
        new.unlink()
    return file.read_text()


def _demo_code(secret: str, name: str) -> str:
    """Differs from machine to machine and stays the same over restarts."""
    return hmac.new(secret.encode(), name.encode(), hashlib.sha256).hexdigest()[:24]
