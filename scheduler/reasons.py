"""Why a machine does not fit, as sentences with the numbers. The subject is the machine."""

from collections.abc import Callable, Sequence


def process(does: str, needed: str) -> str:
    return f"does {does}, not {needed}"


def volume(needed_um: Sequence[int], given_um: Sequence[int]) -> str:
    needed, given = sorted(needed_um, reverse=True), sorted(given_um, reverse=True)
    return f"needs {_box(needed)}, has {_box(given)}"


def material(held: Sequence[str], needed: str) -> str:
    if not held:
        return f"has no material, needs {needed}"
    return f"has {listed(held)}, not {needed}"


def stock(name: str, held_mg: int, needed_mg: int) -> str:
    held, needed = _apart(held_mg, needed_mg, grams)
    return f"has {held} of {name}, needs {needed}"


def takes_jobs() -> str:
    return "takes no jobs now"


def capacity(silent_ms: int) -> str:
    return f"its word ran out {duration(silent_ms)} ago"


def currency(asked: str, paid: str) -> str:
    return f"is paid in {asked}, not in {paid}"


def horizon(ready_in_ms: int, promised_ms: int) -> str:
    ready, promised = _apart(ready_in_ms, promised_ms, _rounded_duration)
    return f"would be done in {ready}; nobody promises more than {promised} ahead"


def deadline(arrival_in_ms: int, late_ms: int) -> str:
    return f"would bring it in {duration(arrival_in_ms)}, {duration(late_ms)} too late"


def place(assumed_km: float) -> str:
    return f"has not said where it is; {assumed_km:.0f} km are assumed"


def listed(words: Sequence[str]) -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def grams(mass_mg: int, digits: int = 0) -> str:
    return f"{mass_mg / 1000:.{digits}f} g"


def money(minor: float, currency: str) -> str:
    return f"{minor / 100:.2f} {currency}"


def standing(score: float, tier: int) -> str:
    return f"standing {score:.2f} of 1" + (", a stranger" if tier else "")


def stranger(more: float, currency: str) -> str:
    """Say why a machine ranks below others that are of a lower tier."""
    word = "more" if more >= 0 else "less"
    return (
        f"costs {money(abs(more), currency)} {word} than the best; its owner is a stranger here, "
        "and asked only where nobody known can do it"
    )


def duration(milliseconds: float) -> str:
    """Return the two largest units: '2 d 3 h', '1 h 05 min', '4 min 10 s', '0.3 s'."""
    seconds = round(milliseconds / 1000)
    if seconds < 1:
        return f"{milliseconds / 1000:.3f} s"
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3_600:
        return f"{seconds // 60} min {seconds % 60:02} s"
    if seconds < 86_400:
        return f"{seconds // 3_600} h {seconds % 3_600 // 60:02} min"
    return f"{seconds // 86_400} d {seconds % 86_400 // 3_600} h"


def _box(sides_um: Sequence[int]) -> str:
    return " x ".join(f"{side / 1000:.3f}".rstrip("0").rstrip(".") for side in sides_um) + " mm"


def _apart(a: int, b: int, words: Callable[[int, int], str]) -> tuple[str, str]:
    """Return both with as few digits as tell them apart."""
    for digits in range(3):
        if words(a, digits) != words(b, digits):
            return words(a, digits), words(b, digits)
    return words(a, 3), words(b, 3)


def _rounded_duration(milliseconds: int, digits: int) -> str:
    if digits == 0:
        return duration(milliseconds)
    return f"{milliseconds / 86_400_000:.{2 * digits}f} d"
