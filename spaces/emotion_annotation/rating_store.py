"""Who holds which item, and who answered what: one SQLite file.

A seat is one rater on one item: held (shown, until a time), answered, or lapsed. Every change is
one transaction that takes the write lock first, so that raters in any number of threads and
processes never share a seat. The file is in WAL mode with `synchronous=FULL`: what a method has
returned from is on the disk, whatever is killed next.

Which item a rater may have is decided by `dataset_scripts.annotations` alone.
"""

import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from dataset_scripts.annotations import (
    SCORES,
    Protocol,
    Rating,
    may_rate,
    next_item,
    open_seats,
)
from modeling_empathic.taxonomy import UserError

HOLD_S = 900
"""How long a shown item stays with its rater without a sign of life."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS seats (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order in which the seats of an item were taken
    item TEXT NOT NULL,
    rater TEXT NOT NULL,
    score INTEGER CHECK (score IN (0, 1, 2)),  -- NULL: no answer, or one taken back
    held_until REAL CHECK (held_until IS NULL OR score IS NULL),  -- Unix time; NULL: not held
    turn INTEGER,  -- counts answers; NULL: restored, not to be taken back. No score: taken back
    unplayable INTEGER NOT NULL DEFAULT 0,  -- the rater's browser could not play the clip
    UNIQUE (item, rater)
);
CREATE UNIQUE INDEX IF NOT EXISTS one_item_at_a_time ON seats (rater) WHERE held_until IS NOT NULL;
"""

Ratings = dict[str, list[Rating]]


class StoreError(UserError):
    """An answer that cannot be taken, or a database that does not fit the batch."""


class Progress(NamedTuple):
    """How far a rater is, in numbers that tell nothing about the scores of others.

    Attributes:
        answered: Items that this rater has answered.
        first_round: Share of the first two seats of all items that are filled, 0 to 1. A third
            seat depends on scores, so later seats do not count here.
        finished: No item has an open or a held seat.
        can_undo: The last thing this rater did was to answer.
    """

    answered: int
    first_round: float
    finished: bool
    can_undo: bool


@dataclass(frozen=True)
class Store:
    """The ratings of one batch.

    Attributes:
        path: The SQLite file; made if absent.
        items: Ids of all items of the batch.
        protocol: Raters and shares.
        clock: Unix time in seconds.

    Raises:
        StoreError: The file has answers to items that are not in the batch.
    """

    path: Path
    items: Collection[str]
    protocol: Protocol
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as db:
            if db.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
                raise StoreError(f"{self.path}: this disk does not support SQLite's WAL mode")
            db.executescript(_SCHEMA)
            rated = {item for (item,) in db.execute("SELECT item FROM seats")}
        if strange := rated - set(self.items):
            raise StoreError(
                f"{self.path} is of another batch: {len(strange)} of its {len(rated)} items are "
                "not in this one"
            )

    def take(self, rater: str) -> str | None:
        """The item that the rater has to judge now: the one they hold, else a new one, else None.

        Raises:
            ValueError: The rater is not one of the protocol's.
        """
        with self._write() as db:
            until = self.clock() + HOLD_S
            if held := _held(db, rater):
                db.execute("UPDATE seats SET held_until = ? WHERE id = ?", (until, held.id))
                return held.item
            ratings, pending = self._read(db)
            for (item,) in db.execute(
                "SELECT item FROM seats WHERE rater = ? AND unplayable", (rater,)
            ):
                del ratings[item]
            item = next_item(rater, ratings, self.protocol, pending)
            if item is not None:
                _seat(db, item, rater, held_until=until)
            return item

    def answer(self, rater: str, item: str, score: int) -> None:
        """Records the score; to send the same once more changes nothing.

        A rater who comes back after their hold has lapsed keeps the answer if the seat is free.

        Raises:
            StoreError: The item was not given to this rater, has another score by now, or has gone
                to somebody else; or the score is not 0, 1 or 2.
        """
        if type(score) is not int or score not in SCORES:
            raise StoreError(f"score {score!r} is not one of {', '.join(map(str, SCORES))}")
        with self._write() as db:
            seat = _find(db, "item = ? AND rater = ?", item, rater)
            if seat is None:
                raise StoreError("this clip was not given to you")
            if seat.score is not None:
                if seat.score != score:
                    raise StoreError(f"you have answered this clip with {seat.score}")
                return
            turn = db.execute("SELECT COALESCE(MAX(turn), 0) + 1 FROM seats").fetchone()[0]
            if seat.held_until is not None:
                db.execute(
                    "UPDATE seats SET score = ?, held_until = NULL, turn = ? WHERE id = ?",
                    (score, turn, seat.id),
                )
                return
            ratings, pending = self._read(db)
            if not may_rate(rater, item, ratings[item], self.protocol, pending[item]):
                raise StoreError("this clip has gone to somebody else in the meantime")
            _seat(db, item, rater, score=score, turn=turn)

    def undo(self, rater: str) -> bool:
        """Takes the rater's last answer back and shows its item again; False if there is none.

        The seat stays the rater's, and its place among the item's ratings. Only one answer can be
        taken back, until it is given anew; what was shown in between is put back.
        """
        with self._write() as db:
            held, last = _held(db, rater), _last_answer(db, rater)
            if last is None or (held is not None and held.turn is not None):
                return False
            db.execute("UPDATE seats SET held_until = NULL WHERE rater = ?", (rater,))
            db.execute(
                "UPDATE seats SET score = NULL, held_until = ? WHERE id = ?",
                (self.clock() + HOLD_S, last.id),
            )
            return True

    def report_unplayable(self, rater: str, item: str) -> None:
        """Gives back an item whose clip the rater cannot hear; they are not given it again."""
        with self._write() as db:
            db.execute(
                "UPDATE seats SET held_until = NULL, unplayable = 1 "
                "WHERE rater = ? AND item = ? AND score IS NULL",
                (rater, item),
            )

    def holds(self, rater: str, item: str) -> bool:
        """Whether this is the item that the rater was shown last and has not answered."""
        with self._open() as db:
            held = _held(db, rater)
        return held is not None and held.item == item

    def progress(self, rater: str) -> Progress:
        """How far the rater and the batch are."""
        with self._open() as db:
            ratings, pending = self._read(db)
            held, last = _held(db, rater), _last_answer(db, rater)
        first_two = sum(min(len(given), 2) for given in ratings.values())
        return Progress(
            answered=sum(rating.rater == rater for given in ratings.values() for rating in given),
            first_round=first_two / max(1, 2 * len(ratings)),
            finished=not any(pending.values())
            and not any(open_seats(item, given, self.protocol) for item, given in ratings.items()),
            can_undo=last is not None and (held is None or held.turn is None),
        )

    def ratings(self) -> Ratings:
        """Every item with its ratings so far, in the order in which they came in."""
        with self._open() as db:
            return self._read(db)[0]

    def unplayable(self) -> dict[str, list[str]]:
        """Items that could not be played, with the raters who said so."""
        raters = defaultdict(list)
        with self._open() as db:
            for item, rater in db.execute("SELECT item, rater FROM seats WHERE unplayable"):
                raters[item].append(rater)
        return dict(raters)

    def restore(self, answers: Iterable[tuple[str, str, int]]) -> None:
        """Fills an empty store with `(item, rater, score)` in the order of [`ratings`].

        Raises:
            StoreError: The store is not empty, or an answer is not of this batch.
        """
        with self._write() as db:
            if db.execute("SELECT 1 FROM seats").fetchone():
                raise StoreError(f"{self.path} has answers; only an empty store can be restored")
            for item, rater, score in answers:
                if item not in self.items:
                    raise StoreError(f"item {item!r} of the backup is not in this batch")
                _seat(db, item, rater, score=score)

    def _read(self, db: sqlite3.Connection) -> tuple[Ratings, dict[str, set[str]]]:
        """Ratings of every item, and who holds it now."""
        ratings: Ratings = {item: [] for item in self.items}
        pending: dict[str, set[str]] = defaultdict(set)
        for item, rater, score, held_until in db.execute(
            "SELECT item, rater, score, held_until FROM seats ORDER BY id"
        ):
            if score is not None:
                ratings[item].append(Rating(rater, score))
            elif held_until is not None and held_until >= self.clock():
                pending[item].add(rater)
        return ratings, pending

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        try:
            db.execute("PRAGMA synchronous=FULL")
            yield db
        finally:
            db.close()

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """A transaction that nobody else writes beside, in which old holds have lapsed."""
        with self._open() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                db.execute(
                    "UPDATE seats SET held_until = NULL WHERE held_until < ?", (self.clock(),)
                )
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")


class _Seat(NamedTuple):
    id: int
    item: str
    score: int | None
    held_until: float | None
    turn: int | None


def _find(db: sqlite3.Connection, where: str, *values: str) -> _Seat | None:
    row = db.execute(
        f"SELECT id, item, score, held_until, turn FROM seats WHERE {where}", values
    ).fetchone()
    return row and _Seat(*row)


def _held(db: sqlite3.Connection, rater: str) -> _Seat | None:
    return _find(db, "rater = ? AND held_until IS NOT NULL", rater)


def _last_answer(db: sqlite3.Connection, rater: str) -> _Seat | None:
    return _find(
        db, "rater = ? AND score IS NOT NULL AND turn IS NOT NULL ORDER BY turn DESC LIMIT 1", rater
    )


def _seat(
    db: sqlite3.Connection,
    item: str,
    rater: str,
    *,
    score: int | None = None,
    held_until: float | None = None,
    turn: int | None = None,
) -> None:
    """A new seat at the end of the item's row, in place of the rater's lapsed one if any."""
    db.execute(
        "INSERT OR REPLACE INTO seats (item, rater, score, held_until, turn) "
        "VALUES (?, ?, ?, ?, ?)",
        (item, rater, score, held_until, turn),
    )
