"""JSON of anybody's into dataclasses, every field checked, and back.

The types of the fields say what is allowed: `Annotated[float, Between(-1, 1)]` is a correlation.
What is undefined is NaN here and null in JSON. Keys that a class does not have are not read. A
field with a default may be missing, and is not written where it is empty.

Nothing but the standard library and the taxonomy, as this ships with the leaderboard's Space too.
"""

import math
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from modeling_empathic.taxonomy import UserError

MAX_NAME = 200
LARGEST = 2**53
"""Numbers up to here are exact in every reader of JSON."""


class FieldError(UserError):
    """A field that is missing, of another type or off its scale; with its path and value."""


@dataclass(frozen=True)
class Between:
    """Bounds of a number, or of all numbers of a dataclass with fractions; both are allowed."""

    low: float
    high: float


Count = Annotated[int, Between(0, LARGEST)]
Share = Annotated[float, Between(0, 1)]
Correlation = Annotated[float, Between(-1, 1)]
Error = Annotated[float, Between(0, 10)]
"""In points of the scale from 0 to 10."""
Name = Annotated[str, MAX_NAME]
"""Text that can be printed, not empty, without space around it; still no path to trust."""


def decode(kind: Any, value: Any, field: str = "") -> Any:
    """A value of JSON as an instance of a type.

    Args:
        kind: A dataclass, `dict[str, ...]`, `tuple[..., ...]`, a scalar, `... | None`, or one of
            these annotated with bounds.
        value: Of `json.loads`.
        field: Where it stands, for errors.

    Raises:
        FieldError: It is none.

    Example:
        >>> decode(dict[str, Correlation], {"pearson": 1, "spearman": None})
        {'pearson': 1.0, 'spearman': nan}
    """
    inner = get_args(kind)
    if _has_fields(kind):
        _check_table(field, value)
        return kind(
            **{
                name: decode_of(value, name, of, f"{field}.{name}" if field else name)
                for name, (of, needed) in _schema(kind).items()
                if needed or name in value
            }
        )
    if get_origin(kind) is Annotated:
        if inner[1] == MAX_NAME:
            return _checked_name(field, value)
        return _bounded(field, decode(inner[0], value, field), inner[1])
    if get_origin(kind) in (Union, UnionType):
        return None if value is None else decode(inner[0], value, field)
    if get_origin(kind) is dict:
        _check_table(field, value)
        if inner[1] is Any:
            return value
        return {
            _checked_name(f"a name in {field}", key): decode(inner[1], of, f"{field}.{key}")
            for key, of in value.items()
        }
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise FieldError(f"{field:.80} is {value!r:.80}, not a list")
        return tuple(decode(inner[0], of, f"{field}.{i}") for i, of in enumerate(value))
    return _scalar(kind, value, field)


def decode_of(table: dict[str, Any], name: str, kind: Any, field: str) -> Any:
    """A field of a table as an instance of a type; where null may be, it need not be there.

    Raises:
        FieldError: It is none, or is missing.
    """
    try:
        return decode(kind, table.get(name), field)
    except FieldError:
        if name in table:
            raise
        raise FieldError(f"{field:.80} is missing") from None


def encode(value: Any) -> Any:
    """The same as JSON has it: tables, lists and plain values, null for what is undefined."""
    if _has_fields(value):
        return {
            name: encode(of)
            for name, (_, needed) in _schema(value.__class__).items()
            if (of := getattr(value, name)) or needed
        }
    if isinstance(value, dict):
        return {key: encode(of) for key, of in value.items()}
    if isinstance(value, list | tuple):
        return [encode(of) for of in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _has_fields(kind_or_value: Any) -> bool:
    """`is_dataclass`, after which mypy still knows that it may be a class as well as a value."""
    return is_dataclass(kind_or_value)


@cache
def _schema(kind: type[Any]) -> dict[str, tuple[Any, bool]]:
    """Of each field its type, and whether it has to be there."""
    types = get_type_hints(kind, include_extras=True)
    return {
        field.name: (types[field.name], field.default is field.default_factory is MISSING)
        for field in fields(kind)
    }


def _scalar(kind: Any, value: Any, field: str) -> Any:
    if kind is float and value is None:
        return math.nan
    if kind in (int, float):
        allowed, word = ((int,), "a count") if kind is int else ((int, float), "a number")
        if type(value) not in allowed or abs(value) > LARGEST:  # a truth value is no number
            raise FieldError(f"{field:.80} is {value!r:.80}, not {word}")
        return kind(value)
    if kind is not Any and not isinstance(value, kind):
        word = {str: "a text", bool: "true or false"}[kind]
        raise FieldError(f"{field:.80} is {value!r:.80}, not {word}")
    return value


def _bounded(field: str, value: Any, bounds: Between) -> Any:
    fractions = vars(value) if _has_fields(value) else {"": value}
    for name, number in fractions.items():
        if name and not isinstance(number, float):
            continue
        if number < bounds.low or number > bounds.high:  # NaN stands for undefined
            where = f"{field}.{name}" if name else field
            word = f"a number from {bounds.low} to {bounds.high}"
            word = word if isinstance(number, float) else "a count"
            raise FieldError(f"{where:.80} is {number!r:.80}, not {word}")
    return value


def _check_table(field: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise FieldError(f"{field or 'this':.80} is {value!r:.80}, not a table")


def _checked_name(field: str, value: Any) -> str:
    if value == "":
        raise FieldError(f"{field:.80} is empty")
    if not isinstance(value, str) or not value.isprintable() or value.strip() != value:
        raise FieldError(f"{field:.80} is {value!r:.80}, not a text that can be printed")
    if len(value) > MAX_NAME:
        raise FieldError(f"{field:.80} has {len(value):,} characters; at most {MAX_NAME}")
    return value
