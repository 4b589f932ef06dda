"""Times as people write them: seconds, ``30m``, ``2h 15m``, ``1d``; and points in time."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hour": 3600, "hours": 3600, "d": 86_400, "days": 86_400}
"""Seconds in each unit."""

_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*")


def duration_s(value: object) -> float:
    """Return a duration in seconds.

    Args:
        value: Seconds, or text such as ``90``, ``30m``, ``2h 15m`` or ``1.5h``.

    Raises:
        ValueError: It is not a duration, is infinite, or is not above zero.
    """
    seconds = _seconds(value)
    if seconds is None or not 0 < seconds < math.inf:
        raise ValueError("need a duration above zero, as seconds or like 30m, 2h, 1d")
    return seconds


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if not isinstance(value, str):
        return float(value) if abs(value) < 1e300 else None
    text, total, at = value.strip().lower(), 0.0, 0
    while at < len(text):
        part = _PART.match(text, at)
        unit = (part[2] or "s") if part else ""
        if part is None or unit not in SECONDS or (not part[2] and part.end() < len(text)):
            return None
        total, at = total + float(part[1]) * SECONDS[unit], part.end()
    return total if text else None


def deadline_s(value: object) -> float:
    """Return a point in time in seconds since the epoch.

    Args:
        value: ISO 8601 text, ``2026-11-24T08:00`` or ``2026-11-24 08:00+01:00``; without a zone it is local time.

    Raises:
        ValueError: It is not such a text.
    """
    try:
        if not isinstance(value, str):
            raise TypeError
        return datetime.fromisoformat(value.strip()).astimezone().timestamp()
    except (ValueError, TypeError, OverflowError, OSError):
        example = datetime(2026, 11, 24, 8, tzinfo=UTC).isoformat(timespec="minutes")
        raise ValueError(f"need a date and time like {example}, without a zone for local time") from None
