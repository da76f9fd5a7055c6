"""Draws what came of it, as SVG: a map of where jobs went, and the costs side by side."""

from collections.abc import Sequence
from html import escape
from statistics import mean

from .gates import Gate
from .ways import Ran, Road, Way

_MAP_WIDTH, _HEIGHT = 620, 640
_BARS_X, _BARS_WIDTH = 900, 300
_COLOURS = {
    Way.COMMONFAB: "#1b7f5c",
    Way.CENTRAL: "#444444",
    Way.NEAREST: "#c98a1b",
    Way.SPARROW: "#b5562a",
    Way.RANDOM: "#9c2f3f",
    Way.LIARS: "#6aa88f",
    Way.CUT: "#8fc0ad",
}


def picture(ran: Sequence[Ran], gates: Sequence[Gate]) -> str:
    """Return an SVG document."""
    roads = next((each.roads for each in ran if each.roads), list[Road]())
    body = [*_map(roads), *_bars(ran), *_verdicts(gates)]
    return "\n".join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1240 900" '
            'font-family="sans-serif" font-size="14">',
            '<rect width="1240" height="900" fill="#fbfaf7"/>',
            *body,
            "</svg>\n",
        ]
    )


def _map(roads: Sequence[Road]) -> list[str]:
    """Return a line from workshop to buyer for each job, on a plain chart of latitudes."""
    if not roads:
        return []
    lons = [lon for a, _, b, _ in roads for lon in (a, b)]
    lats = [lat for _, a, _, b in roads for lat in (a, b)]
    west, north = min(lons), max(lats)
    scale_x = (_MAP_WIDTH - 40) / max(0.1, max(lons) - west)
    scale_y = (_HEIGHT - 80) / max(0.1, north - min(lats))

    def at(lon: float, lat: float) -> tuple[float, float]:
        return 20 + (lon - west) * scale_x, 60 + (north - lat) * scale_y

    drawn = [_text(20, 34, "Where jobs were made, and where they went", size=18)]
    for lon, lat, to_lon, to_lat in roads:
        x, y = at(lon, lat)
        to_x, to_y = at(to_lon, to_lat)
        drawn.append(
            f'<path d="M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}" stroke="#1b7f5c" '
            'stroke-width="0.7" stroke-opacity="0.25"/>'
        )
    shops = {at(lon, lat) for lon, lat, _, _ in roads}
    drawn += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.2" fill="#14382c"/>' for x, y in shops]
    return drawn


def _bars(ran: Sequence[Ran]) -> list[str]:
    """Return for each load the mean cost of each way, over all seeds."""
    most = max((each.result.eur for each in ran), default=1.0)
    drawn = [_text(660, 34, "EUR a job, all counted (mean over seeds)", size=18)]
    y = 62
    for load in sorted({each.setting.load for each in ran}):
        drawn.append(_text(660, y, f"load {load}", weight="bold"))
        for way in Way:
            costs = [e.result.eur for e in ran if (e.setting.load, e.way) == (load, way)]
            if not costs:
                continue
            y += 22
            eur = mean(costs)
            width = _BARS_WIDTH * eur / most
            drawn += [
                _text(_BARS_X - 8, y, way, anchor="end"),
                f'<rect x="{_BARS_X}" y="{y - 12}" width="{width:.1f}" height="15" '
                f'fill="{_COLOURS[way]}"/>',
                _text(_BARS_X + width + 6, y, f"{eur:.2f}"),
            ]
        y += 34
    return drawn


def _verdicts(gates: Sequence[Gate]) -> list[str]:
    drawn: list[str] = []
    for place, gate in enumerate(gates):
        x, y = (20, 700) if place % 2 == 0 else (640, 700)
        bound = f"{'at most' if gate.is_upper else 'at least'} {gate.bound:g}"
        sign, colour = ("held", "#1b7f5c") if gate.is_held else ("missed", "#9c2f3f")
        text = f"{gate.what}: {gate.worst:.3f} ({bound}), {sign}"
        drawn.append(_text(x, y + 28 * (place // 2), text, colour=colour))
    return drawn


def _text(
    x: float,
    y: float,
    text: str,
    *,
    size: int = 14,
    anchor: str = "start",
    weight: str = "normal",
    colour: str = "#222222",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
        f'font-weight="{weight}" fill="{colour}">{escape(text)}</text>'
    )
