"""Who holds which item, who answered what and how it was heard: one SQLite file.

A seat is one rater on one item: held (shown, until a time), answered, or lapsed. Every change is
one transaction that takes the write lock first, so that raters in any number of threads and
processes never share a seat. The file is in WAL mode with `synchronous=FULL`: what a method has
returned from is on the disk, whatever is killed next.

Which item a rater may have is decided by `dataset_scripts.annotations` alone. Gold items, whose
answer is known, come in between: every rater gets each once, and none of them is a rating.
"""

import hashlib
import json
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from hearing import Hearing
from store_schema import HEARD, prepare

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

Ratings = dict[str, list[Rating]]


class Answer(NamedTuple):
    """One answer, gold items included, and how it was heard."""

    item: str
    rater: str
    score: int
    hearing: Hearing = Hearing()


class StoreError(UserError):
    """An answer that cannot be taken, or a database that does not fit the batch."""


class Progress(NamedTuple):
    """How far a rater is, in numbers that tell nothing about the scores of others.

    Attributes:
        answered: Items that this rater has answered.
        most: Answered, and those that this rater may still get in the first round: at most so many.
        first_round: Share of the first two seats of all items that are filled, 0 to 1. A third
            seat depends on scores, so later seats do not count here.
        finished: No item has an open or a held seat.
        can_undo: The last thing this rater did was to answer.
    """

    answered: int
    most: int
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
        gold: The scores that are right, by the id of the item.
        gold_every: Every so manieth item of a rater is a gold one, while there are any.

    Raises:
        StoreError: The file has answers to items that are not in the batch.
    """

    path: Path
    items: Collection[str]
    protocol: Protocol
    clock: Callable[[], float] = time.time
    gold: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    gold_every: int = 10

    def __post_init__(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as db:
            if db.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
                raise StoreError(f"{self.path}: this disk does not support SQLite's WAL mode")
            prepare(db)
            rated = {item for (item,) in db.execute("SELECT item FROM seats")}
        if strange := rated - set(self.items) - set(self.gold):
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
                ratings.pop(item, None)
            item = self._gold_next(db, rater)
            if item is None:
                item = next_item(rater, ratings, self.protocol, pending)
            if item is not None:
                _seat(db, item, rater, held_until=until)
            return item

    def _gold_next(self, db: sqlite3.Connection, rater: str) -> str | None:
        """The gold item whose turn it is, in an order of the rater's own."""
        seen = [item for (item,) in db.execute(
            "SELECT item FROM seats WHERE rater = ? AND (score IS NOT NULL OR unplayable)", (rater,)
        )]  # fmt: skip
        left = self.gold.keys() - set(seen)
        if not left or len(seen) % self.gold_every != self.gold_every - 1:
            return None
        return min(left, key=lambda item: hashlib.sha256(f"{rater}:{item}".encode()).digest())

    def answer(self, rater: str, item: str, score: int, hearing: Hearing = Hearing()) -> None:
        """Records the score and how it was heard; to send the same once more changes nothing.

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
                raise StoreError("this recording was not given to you")
            if seat.score is not None:
                if seat.score != score:
                    raise StoreError(f"you have answered this recording with {seat.score}")
                return
            turn = db.execute("SELECT COALESCE(MAX(turn), 0) + 1 FROM seats").fetchone()[0]
            if seat.held_until is not None:
                db.execute(
                    "UPDATE seats SET score = ?, held_until = NULL, turn = ? WHERE id = ?",
                    (score, turn, seat.id),
                )
            else:
                ratings, pending = self._read(db)
                free = item in self.gold or may_rate(
                    rater, item, ratings[item], self.protocol, pending[item]
                )
                if not free:
                    raise StoreError("this recording has gone to somebody else in the meantime")
                _seat(db, item, rater, score=score, turn=turn)
            _note(db, item, rater, hearing)

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
            seen = {item for (item,) in db.execute(
                "SELECT item FROM seats WHERE rater = ? AND score IS NOT NULL", (rater,)
            )}  # fmt: skip
        may_come = sum(
            item not in seen and min(len(given), 2) + len(pending[item] - {rater}) < 2
            for item, given in ratings.items()
        )
        held_late = held is not None and held.item in ratings and len(ratings[held.item]) >= 2
        first_two = sum(min(len(given), 2) for given in ratings.values())
        return Progress(
            answered=len(seen),
            most=len(seen) + may_come + held_late + len(self.gold.keys() - seen),
            first_round=first_two / max(1, 2 * len(ratings)),
            finished=not any(pending.values())
            and not any(open_seats(item, given, self.protocol) for item, given in ratings.items()),
            can_undo=last is not None and (held is None or held.turn is None),
        )

    def ratings(self) -> Ratings:
        """Every item with its ratings so far, in the order in which they came in."""
        with self._open() as db:
            return self._read(db)[0]

    def answers(self) -> list[Answer]:
        """Every answer, of gold items too, in the order of [`ratings`]."""
        with self._open() as db:
            return [
                Answer(item, rater, score, Hearing(*heard, tuple(json.loads(flags)), comment))
                for item, rater, score, *heard, flags, comment in db.execute(
                    f"SELECT item, rater, score, {', '.join(HEARD)} FROM seats "
                    "WHERE score IS NOT NULL ORDER BY id"
                )
            ]

    def end_session(self, session: str) -> None:
        """Nobody is believed to be in this session again, whatever copy of it they have."""
        with self._write() as db:
            db.execute("INSERT OR IGNORE INTO ended (session) VALUES (?)", (session,))

    def has_ended(self, session: str) -> bool:
        """Whether somebody signed out of this session."""
        with self._open() as db:
            found = db.execute("SELECT 1 FROM ended WHERE session = ?", (session,)).fetchone()
        return found is not None

    def review(self, item: str, note: str) -> None:
        """An organiser has looked at an item."""
        with self._write() as db:
            db.execute("INSERT OR REPLACE INTO reviewed (item, note) VALUES (?, ?)", (item, note))

    def reviewed(self) -> dict[str, str]:
        """What organisers noted of items that they have looked at."""
        with self._open() as db:
            return dict(db.execute("SELECT item, note FROM reviewed"))

    def unplayable(self) -> dict[str, list[str]]:
        """Items that could not be played, with the raters who said so."""
        raters = defaultdict(list)
        with self._open() as db:
            for item, rater in db.execute("SELECT item, rater FROM seats WHERE unplayable"):
                raters[item].append(rater)
        return dict(raters)

    def restore(self, answers: Iterable[tuple[Any, ...]]) -> None:
        """Fills an empty store with [`Answer`]s, or their beginnings, in the order of [`ratings`].

        Raises:
            StoreError: The store is not empty, or an answer is not of this batch.
        """
        with self._write() as db:
            if db.execute("SELECT 1 FROM seats").fetchone():
                raise StoreError(f"{self.path} has answers; only an empty store can be restored")
            for item, rater, score, hearing in (Answer(*answer) for answer in answers):
                if item not in self.items and item not in self.gold:
                    raise StoreError(f"item {item!r} of the backup is not in this batch")
                _seat(db, item, rater, score=score)
                _note(db, item, rater, hearing)

    def _read(self, db: sqlite3.Connection) -> tuple[Ratings, dict[str, set[str]]]:
        """Ratings of every item, and who holds it now."""
        ratings: Ratings = {item: [] for item in self.items}
        pending: dict[str, set[str]] = defaultdict(set)
        for item, rater, score, held_until in db.execute(
            "SELECT item, rater, score, held_until FROM seats ORDER BY id"
        ):
            if item not in ratings:  # gold
                continue
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


def _note(db: sqlite3.Connection, item: str, rater: str, hearing: Hearing) -> None:
    """How the rater of a seat heard its item."""
    plays, heard_s, answer_s, flags, comment = hearing
    db.execute(
        f"UPDATE seats SET {', '.join(f'{name} = ?' for name in HEARD)} "
        "WHERE item = ? AND rater = ?",
        (plays, heard_s, answer_s, json.dumps(flags), comment, item, rater),
    )
