"""What is known of systems beside their figures: `data/systems.csv`, a line each.

    system,access,parameters,date,link
    My System,open,1500000000,2026-01,https://huggingface.co/me/mine

`access` is `open` (weights anybody can have), `api` (asked over a network) or empty; parameters,
date (year-month) and link may be empty. Whoever submits a result adds a line.
"""

import csv
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

ACCESS = {"open": "Open weights", "api": "API"}
SIZES = {
    "small": ("up to 1 B parameters", 0, 10**9),
    "middle": ("1 to 10 B", 10**9, 10**10),
    "large": ("over 10 B", 10**10, float("inf")),
}
"""Name -> words, and parameters: above the one, up to the other."""
COLUMNS = ("system", "access", "parameters", "date", "link")
_HUB_ID = re.compile(r"[\w-][\w.-]{0,95}/[\w-][\w.-]{0,95}", re.ASCII)


class System(NamedTuple):
    """What is known; empty or None where nothing is."""

    access: str = ""
    parameters: int | None = None
    date: str = ""
    link: str = ""

    @property
    def size(self) -> str:
        """A key of `SIZES`, or `""`."""
        for name, (_, above, most) in SIZES.items():
            if self.parameters is not None and above < self.parameters <= most:
                return name
        return ""


def read_systems(folder: Path) -> tuple[dict[str, System], list[str]]:
    """The systems by name, and what is wrong with lines that cannot be used.

    Args:
        folder: With `systems.csv`, or without one.
    """
    systems: dict[str, System] = {}
    wrong: list[str] = []
    try:
        with (folder / "systems.csv").open(newline="", encoding="utf-8-sig") as lines:
            for row in csv.DictReader(lines):
                where = f"systems.csv, {str(row.get('system'))!r:.80}"
                if tuple(row) != COLUMNS or None in row.values():
                    wrong.append(f"{where}: not {len(COLUMNS)} values")
                elif problem := wrong_with(row):
                    wrong.append(f"{where}: {problem}")
                else:
                    parameters = int(row["parameters"]) if row["parameters"] else None
                    systems[row["system"]] = System(
                        row["access"], parameters, row["date"], row["link"]
                    )
    except FileNotFoundError:
        pass
    except (OSError, ValueError, csv.Error) as error:
        wrong.append(f"systems.csv: {error}")
    return systems, wrong


def wrong_with(row: Mapping[str, str]) -> str:
    """What is wrong with a line of `systems.csv`, or `""`."""
    if row["access"] not in ("", *ACCESS):
        return f"access {row['access']!r:.80} is not one of {', '.join(ACCESS)}"
    if row["parameters"] and not re.fullmatch(r"[0-9]{1,15}", row["parameters"]):
        return f"parameters {row['parameters']!r:.80} is not a whole number"
    if row["date"] and not re.fullmatch(r"\d{4}-\d{2}(-\d{2})?", row["date"], re.ASCII):
        return f"date {row['date']!r:.80} is not YYYY-MM"
    if row["link"] and not re.fullmatch(r"https://[\w./%~-]{3,300}", row["link"], re.ASCII):
        return f"link {row['link']!r:.80} is not a plain https address"
    return ""


def about(row: Mapping[str, Any], systems: Mapping[str, System]) -> System:
    """What is known of a row's system; a model that is on the Hub is open, and has its page there.

    Args:
        row: Of `leaderboard.json`.
        systems: Of [`read_systems`].
    """
    known = systems.get(row["system"], System())
    if row["time"]:
        known = known._replace(date=row["time"][:10])
    model = row["model"] or ""
    if row["revision"] and _HUB_ID.fullmatch(model):
        at = f"https://huggingface.co/{model}/tree/{quote(row['revision'], safe='')}"
        known = known._replace(access=known.access or "open", link=known.link or at)
    return known


def count(parameters: int) -> str:
    """A number of parameters as people say it.

    Example:
        >>> count(3_037_548_072), count(8_000_000)
        ('3.0 B', '8 M')
    """
    return f"{parameters / 1e9:.1f} B" if parameters >= 1e9 else f"{parameters / 1e6:.0f} M"
