"""The README of a model whose heads are in int8: what that costs, as measured."""

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emonet_voice.hub.cards import write_card

if TYPE_CHECKING:
    from modeling_empathic.configuration_empathic import EmpathicInsightConfig


@cache
def measured_drift() -> dict[str, Any]:
    """What `benchmarks/int8.py` measured of int8 heads on trained heads and real clips."""
    file = Path(__file__).with_name("int8_drift.json")
    result: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    return result


def card(name: str, config: "EmpathicInsightConfig") -> str:
    """The README of an int8 model."""
    return write_card(
        "int8.md.jinja", {"name": name, "config": config.to_dict(), "drift": measured_drift()}
    )
