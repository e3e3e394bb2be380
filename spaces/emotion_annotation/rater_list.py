"""Who may sign in: a CSV file of raters.

    name,gender,hub_user,code_sha256
    human-1,f,ada,
    human-2,m,,9f86d081884c7d65...
    lab,,grace,

`name` is what the ratings carry. A person signs in as `hub_user` of the Hugging Face Hub, or with
a secret code of which only the SHA-256 is stored. One without a gender is an organiser: they see
the agreement and rate nothing, so that raters stay blinded.

    python rater_list.py human-1=f human-2=m lab > raters.csv

makes such a file with new codes and prints each code once, on the standard error.
"""

import csv
import hashlib
import hmac
import io
import secrets
import sys
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from modeling_empathic.taxonomy import UserError

MAX_NAME_CHARS = 80
_NOT_IN_A_NAME = "'\"{}\\"  # what a label of the raw release could not be read with


class RaterListError(UserError):
    """A list of raters that cannot be used; the message names the line."""


class Person(NamedTuple):
    """One line of the list; empty strings where it has nothing."""

    name: str
    gender: str = ""
    hub_user: str = ""
    code_sha256: str = ""

    @property
    def rates(self) -> bool:
        """Whether this is a rater, and not an organiser."""
        return bool(self.gender)


def read_people(text: str) -> list[Person]:
    r"""The people of a list.

    Raises:
        RaterListError: Other columns, a name that is missing, used twice or unfit for the labels of
            the raw release, someone who could not sign in, or two who sign in alike.

    Example:
        >>> read_people("name,gender,hub_user,code_sha256\nhuman-1,f,ada,\n")
        [Person(name='human-1', gender='f', hub_user='ada', code_sha256='')]
    """
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    if tuple(rows.fieldnames or ()) != Person._fields:
        raise RaterListError(
            f"raters: columns {rows.fieldnames}; they must be {','.join(Person._fields)}"
        )
    people: list[Person] = []
    for row in rows:
        where = f"raters, line {rows.line_num}"
        if None in row or None in row.values():
            raise RaterListError(f"{where}: not {len(Person._fields)} values")
        # One name has one spelling, whether its accents are letters of their own or not.
        spelt = {key: unicodedata.normalize("NFC", value.strip()) for key, value in row.items()}
        person = Person(**spelt)
        if problem := _problem(person, people):
            raise RaterListError(f"{where}: {problem}")
        people.append(person)
    return people


def _problem(person: Person, others: Sequence[Person]) -> str | None:
    name = person.name
    if not name or len(name) > MAX_NAME_CHARS or not name.isprintable():
        return f"name {name[:20]!r} is not 1 to {MAX_NAME_CHARS} printable characters"
    if any(character in name for character in _NOT_IN_A_NAME):
        return f"name {name!r} has one of {' '.join(_NOT_IN_A_NAME)}"
    if not person.hub_user and not person.code_sha256:
        return f"{name!r} has no hub_user and no code_sha256 to sign in with"
    if person.code_sha256 and not _is_sha256(person.code_sha256):
        return f"{name!r}: code_sha256 is not a SHA-256 in 64 digits 0-9a-f"
    for other in others:
        if name == other.name:
            return f"{name!r} is there twice"
        same_user = person.hub_user and person.hub_user.lower() == other.hub_user.lower()
        if same_user or (person.code_sha256 and person.code_sha256 == other.code_sha256):
            return f"{name!r} signs in as {other.name!r} does"
    return None


def _is_sha256(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


def sha256(code: str) -> str:
    """How a code is stored. Codes are long random ones, so no slower hash is needed."""
    return hashlib.sha256(code.encode()).hexdigest()


def with_code(people: Sequence[Person], code_sha256: str) -> Person | None:
    """The person whose code has this SHA-256."""
    match = None
    for person in people:  # all of them, so that the time taken tells nothing
        if person.code_sha256 and hmac.compare_digest(person.code_sha256, code_sha256):
            match = person
    return match


def with_hub_user(people: Sequence[Person], user: str) -> Person | None:
    """The person who is this user of the Hub; users' names ignore case."""
    return next((p for p in people if p.hub_user and p.hub_user.lower() == user.lower()), None)


def main() -> None:
    """Prints a list with new codes for `NAME=GENDER` (raters) and `NAME` (organisers)."""
    if len(sys.argv) < 2:
        sys.exit("usage: python rater_list.py NAME=GENDER... ORGANISER... > raters.csv")
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(Person._fields)
    for argument in sys.argv[1:]:
        name, _, gender = argument.partition("=")
        code = secrets.token_urlsafe(12)
        out.writerow(Person(name, gender, "", sha256(code)))
        print(f"{name}: {code}", file=sys.stderr)


if __name__ == "__main__":
    main()
