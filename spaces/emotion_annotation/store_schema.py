"""The tables of the SQLite file, and how a file of an earlier version gets what it lacks."""

import sqlite3

SCHEMA = """
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
CREATE TABLE IF NOT EXISTS ended (session TEXT PRIMARY KEY);  -- signed out: no copy is believed
CREATE TABLE IF NOT EXISTS reviewed (item TEXT PRIMARY KEY, note TEXT NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS one_item_at_a_time ON seats (rater) WHERE held_until IS NOT NULL;
"""

HEARD = {
    "plays": "INTEGER",
    "heard_s": "REAL",
    "answer_s": "REAL",
    "flags": "TEXT NOT NULL DEFAULT '[]'",
    "comment": "TEXT NOT NULL DEFAULT ''",
}
"""Columns of `seats` that say how an answer was heard; files of version 0.1 lack them."""


def prepare(db: sqlite3.Connection) -> None:
    """Makes what is not there; two processes that start at once do it one after the other."""
    db.executescript(SCHEMA)
    db.execute("BEGIN IMMEDIATE")
    there = {row[1] for row in db.execute("PRAGMA table_info(seats)")}
    for name, kind in HEARD.items():
        if name not in there:
            db.execute(f"ALTER TABLE seats ADD COLUMN {name} {kind}")
    db.execute("COMMIT")
