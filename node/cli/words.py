"""Numbers and times in words that fit a line of a terminal; what others wrote, made harmless.

Durations and money are put into words by `scheduler.reasons`, here as in its explanations.
"""

from datetime import UTC, datetime

from commonfab.protocol.encoding import plain_text

_TEXT_LENGTH_MAX = 400


def text(words: str) -> str:
    """Return what somebody else wrote, without what could steer a terminal."""
    plain = plain_text(words)
    return plain if len(plain) <= _TEXT_LENGTH_MAX else f"{plain[:_TEXT_LENGTH_MAX]}…"


def identifier(full: str) -> str:
    """Return as much of a record's or an order's id as is needed to name it."""
    return full[:8]


def peer(full: str) -> str:
    """Return the end of a peer id: all of them begin alike."""
    return f"…{full[-8:]}"


def who(name: str, node: str) -> str:
    """Return how a node is called, or its id where it has not said."""
    return text(name) or peer(node)


def size(count: int) -> str:
    """Return bytes in decimal units: 950 B, 1.2 MB."""
    if count < 1000:
        return f"{count} B"
    value = count / 1000
    for unit in ("kB", "MB", "GB"):
        if value < 999.95:
            return f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def mass(milligrams: int) -> str:
    grams = milligrams / 1000
    return f"{grams:.0f} g" if grams < 999.5 else f"{grams / 1000:.2f} kg"


def energy(milliwatt_hours: int) -> str:
    watt_hours = milliwatt_hours / 1000
    return f"{watt_hours:.0f} Wh" if watt_hours < 999.5 else f"{watt_hours / 1000:.2f} kWh"


def box(sides_um: tuple[int, int, int]) -> str:
    """Return three sides in whole millimetres; a side below ten keeps a tenth."""
    return " x ".join(
        f"{side / 1000:.0f}" if side >= 10_000 else f"{side / 1000:.1f}" for side in sides_um
    )


def moment(timestamp: int, now: int) -> str:
    """Return a time of this place: "14:05" today, "24 Nov 14:05", with the year if another."""
    if timestamp == 0:
        return "-"
    when, today = _local(timestamp), _local(now)
    if when.date() == today.date():
        return f"{when:%H:%M}"
    if when.year == today.year:
        return f"{when:%d} {_MONTHS[when.month - 1]} {when:%H:%M}"
    return f"{when:%Y-%m-%d %H:%M}"


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _local(timestamp: int) -> datetime:
    return datetime.fromtimestamp(timestamp / 1000, UTC).astimezone()


def count(number: int, thing: str) -> str:
    """Return "1 piece", "2 pieces"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def place(lat: float, lon: float) -> str:
    return f"{lat:.4f},{lon:.4f}"


def bar(share: float, width: int) -> str:
    """Return a bar of eighths of a character."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    full, rest = divmod(eighths, 8)
    return "█" * full + ("▏▎▍▌▋▊▉"[rest - 1] if rest else "")
