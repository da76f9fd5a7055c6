"""Why a machine does not fit, as sentences with the numbers. The subject is the machine."""

from collections.abc import Callable, Sequence

from .constraints import Constraint


def process(does: str, needed: str) -> str:
    return f"does {does}, not {needed}"


def volume(needed_um: Sequence[int], given_um: Sequence[int]) -> str:
    needed, given = sorted(needed_um, reverse=True), sorted(given_um, reverse=True)
    return f"needs {box(needed)}, has {box(given)}"


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


def nozzle(has_um: float, needed_um: float) -> str:
    return f"has a nozzle or tool of {mm(has_um)}, needs {mm(needed_um)} or finer"


def tolerance(has_um: float, needed_um: float) -> str:
    return f"is exact to {mm(has_um)}, needs {mm(needed_um)}"


def temperature(has_c: float, needed_c: float) -> str:
    return f"heats to {has_c:.0f} \N{DEGREE SIGN}C, needs {needed_c:.0f} \N{DEGREE SIGN}C"


def hours(longest_ms: float, needed_ms: float) -> str:
    longest, needed = _apart(round(longest_ms), round(needed_ms), _rounded_duration)
    return f"is open for at most {longest} at a time, needs {needed}"


def licence(listed_: Sequence[str], needed: str) -> str:
    return f"makes designs under {listed(listed_)}, not under {needed}"


def makes_for() -> str:
    return "makes only for those whom its owner knows"


def trust(score: float, floor: float) -> str:
    score_, floor_ = _apart(round(score * 1e6), round(floor * 1e6), _millionths)
    return f"has standing {score_}, below the {floor_} that is asked for"


def distance(away_m: float, allowed_km: float) -> str:
    away, allowed = _apart(round(away_m), round(allowed_km * 1000), _km)
    return f"is {away} away, beyond the {allowed} that are allowed"


UNKNOWN = {
    Constraint.NOZZLE_UNKNOWN: "has not said how fine its nozzle or tool is",
    Constraint.TOLERANCE_UNKNOWN: "has not said how exact it is",
    Constraint.TEMPERATURE_UNKNOWN: "has not said how hot it gets",
    Constraint.HOURS_UNKNOWN: "has not said when it runs; any time is assumed",
    Constraint.ATTENDED_UNKNOWN: "has not said when someone is there; any time is assumed",
    Constraint.LICENCE_UNKNOWN: "has not said which licences it makes, or the part not its own",
    Constraint.MAKES_FOR_UNKNOWN: "has not said for whom it makes",
}
"""What nobody has told, but for the place and the power."""

POWER_UNKNOWN = "has not said what power it draws; none is counted"


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


def box(sides_um: Sequence[int]) -> str:
    return " x ".join(f"{side / 1000:.3f}".rstrip("0").rstrip(".") for side in sides_um) + " mm"


def mm(length_um: float) -> str:
    return f"{length_um / 1000:.3f}".rstrip("0").rstrip(".") + " mm"


def _km(distance_m: int, digits: int) -> str:
    return f"{distance_m / 1000:.{digits}f} km"


def _millionths(share: int, digits: int) -> str:
    return f"{share / 1e6:.{2 + digits}f}"


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
