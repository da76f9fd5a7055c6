"""DXF and SVG files, honest ones and others, as text."""

PLATE = """<svg xmlns="http://www.w3.org/2000/svg" width="100mm" height="60mm" viewBox="0 0 100 60">
<rect x="0" y="0" width="100" height="60" fill="none" stroke="red"/>
<circle cx="50" cy="30" r="10" fill="none" stroke="red"/>
<rect x="10" y="10" width="10" height="5" fill="black"/>
<text x="5" y="50">Hello</text>
</svg>"""
"""A plate of 100 x 60 mm with a hole of 20 mm, a bar of 50 mm2 to engrave, and a text."""


def svg(body: str, *, head: str = 'width="100mm" height="100mm" viewBox="0 0 100 100"') -> str:
    space = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f"<svg {space} {head}>{body}</svg>"


def self_multiplying_svg(levels: int) -> str:
    """Return an SVG whose every group shows the one before it ten times."""
    groups = ['<g id="g0"><line x1="0" y1="0" x2="9" y2="9" stroke="red"/></g>']
    for level in range(1, levels + 1):
        uses = f'<use xlink:href="#g{level - 1}"/>' * 10
        groups.append(f'<g id="g{level}">{uses}</g>')
    return svg("<defs>" + "".join(groups) + f'</defs><use xlink:href="#g{levels}"/>')


def dxf(entities: str, *, unit: int = 4, blocks: str = "") -> str:
    """Return a DXF of the oldest kind that has units; `entities` and `blocks` as pairs."""
    header = pairs(f"0 SECTION 2 HEADER 9 $ACADVER 1 AC1009 9 $INSUNITS 70 {unit} 0 ENDSEC")
    return (
        header
        + pairs("0 SECTION 2 BLOCKS")
        + blocks
        + pairs("0 ENDSEC 0 SECTION 2 ENTITIES")
        + entities
        + pairs("0 ENDSEC 0 EOF")
    )


def pairs(text: str) -> str:
    """Return words as lines: a group code, its value, and so on."""
    return "\n".join(text.split()) + "\n"


def line(x1: float, y1: float, x2: float, y2: float) -> str:
    return pairs(f"0 LINE 8 0 10 {x1} 20 {y1} 11 {x2} 21 {y2}")


def circle(x: float, y: float, radius: float) -> str:
    return pairs(f"0 CIRCLE 8 0 10 {x} 20 {y} 40 {radius}")


def insert(name: str) -> str:
    return pairs(f"0 INSERT 8 0 2 {name} 10 0 20 0")


def self_multiplying_dxf(levels: int) -> str:
    """Return a DXF whose every block holds the one before it ten times."""
    blocks = _block("b0", line(0, 0, 1, 1))
    for level in range(1, levels + 1):
        blocks += _block(f"b{level}", insert(f"b{level - 1}") * 10)
    return dxf(insert(f"b{levels}"), blocks=blocks)


def _block(name: str, body: str) -> str:
    return pairs(f"0 BLOCK 8 0 2 {name} 70 0 10 0 20 0") + body + pairs("0 ENDBLK 8 0")
