"""How two score files were made differently, in words, and what to do about it."""

from collections.abc import Mapping
from typing import Any

Provenance = Mapping[str, Any]
_MAX_NAMED = 4
_WORDS = {
    "dtype": "numbers",
    "device": "device",
    "package_version": "version of emonet-voice",
}


def differences(old: Provenance, new: Provenance) -> list[str]:
    """What differs, a phrase each: what the file has, then what this run would write.

    Args:
        old: Provenance of the file.
        new: Of the run that would go on with it.

    Example:
        >>> differences({"heads": ["Anger", "Awe"], "dtype": "float32"},
        ...             {"heads": ["Awe"], "dtype": "float16"})
        ['heads Anger and Awe, now Awe', 'numbers in float32, now in float16']
    """
    keys = [key for key in dict.fromkeys([*new, *old]) if old.get(key) != new.get(key)]
    if "heads" in keys:  # the scales of other heads are no news
        common = set(_scales(old)) & set(_scales(new))
        if all(_scales(old)[name] == _scales(new)[name] for name in common):
            keys = [key for key in keys if key != "scales"]
    if "model" in keys:  # another model has another revision
        keys = [key for key in keys if key != "revision"]
    return [_phrase(key, old, new) for key in keys]


def _phrase(key: str, old: Provenance, new: Provenance) -> str:
    a, b = old.get(key), new.get(key)
    match key:
        case "heads":
            return f"heads {_value(a)}, now {_value(b)}"
        case "scales" if _scales(old) != _scales(new):
            return _scale_phrase(_scales(old), _scales(new))
        case "revision":
            return f"the model has changed (revision {_short(a)}, now {_short(b)})"
        case "windows":
            return f"windows {_windows(a)}, now {_windows(b)}"
        case "channels":
            return f"channels {_value(a or 'mixed')}, now {_value(b or 'mixed')}"
        case "speakers":
            return f"speakers {_turns(a)}, now {_turns(b)}"
        case "vad":
            return f"silence {_silence(a)}, now {_silence(b)}"
        case "aggregate":
            return f"rows of {_value(a or 'each window')}, now of {_value(b or 'each window')}"
        case "dtype":
            return f"numbers in {_value(a)}, now in {_value(b)}"
        case "device":
            return f"computed on {_value(a)}, now on {_value(b)}"
    return f"{_WORDS.get(key, key.replace('_', ' '))} {_value(a)}, now {_value(b)}"


def _scales(provenance: Provenance) -> dict[str, Any]:
    scales = provenance.get("scales")
    return scales if isinstance(scales, dict) else {}


def _scale_phrase(old: dict[str, Any], new: dict[str, Any]) -> str:
    names = [name for name in dict.fromkeys([*new, *old]) if old.get(name) != new.get(name)]
    first = names[0]
    more = f" (and of {len(names) - 1} more)" if len(names) > 1 else ""
    return f"scale of {first} {_range(old.get(first))}, now {_range(new.get(first))}{more}"


def _range(scale: Any) -> str:
    return " to ".join(map(_value, scale)) if isinstance(scale, list | tuple) else _value(scale)


def _windows(windows: Any) -> str:
    if not isinstance(windows, dict) or not {"window_s", "hop_s"} <= windows.keys():
        return _value(windows)
    text = f"of {windows['window_s']:g} s every {windows['hop_s']:g} s"
    tail = windows.get("min_tail_s")
    return text if tail in (None, 1.0) else f"{text}, the last at least {tail:g} s"


def _turns(digest: Any) -> str:
    return "not told apart" if digest is None else f"by turns {_short(digest)}"


def _silence(vad: Any) -> str:
    return "scored" if vad is None else f"left out ({_value(vad)})"


def _names(names: list[str]) -> str:
    if not names:
        return "none"
    if len(names) > _MAX_NAMED:
        return f"{len(names)} ({', '.join(names[: _MAX_NAMED - 1])} …)"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _short(revision: Any) -> str:
    return _value(revision).removeprefix("sha256:")[:12]


def _value(value: Any) -> str:
    """A value as a person would write it, whatever a later version may put there."""
    if value is None:
        return "not said"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return ", ".join(f"{key.replace('_', ' ')} {_value(part)}" for key, part in value.items())
    if isinstance(value, list | tuple):
        return _names([_value(part) for part in value])
    return str(value)
