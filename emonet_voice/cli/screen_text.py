"""Small pieces of text for the terminal: paths, bars, durations."""

BLOCKS = " ▏▎▍▌▋▊▉█"


def shortened(path: str, room: int) -> str:
    """A path's end, which tells clips apart; its beginning is what they share.

    Example:
        >>> shortened("clips/a/b.wav", 8)
        '…a/b.wav'
    """
    return path if len(path) <= room else "…" + path[1 - room :]


def bar(value: float, width: int) -> str:
    """A bar for 0 to 10, exact to an eighth of a character.

    Example:
        >>> bar(5.0, 4)
        '██  '
    """
    eighths = round(value / 10 * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (BLOCKS[rest] if rest else "")).ljust(width)


def clock(seconds: float) -> str:
    """A duration as people write it.

    Example:
        >>> clock(4.21), clock(75), clock(7384)
        ('4.2 s', '1:15 min', '2:03:04 h')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02} h" if hours else f"{minute}:{second:02} min"
