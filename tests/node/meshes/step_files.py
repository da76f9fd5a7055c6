"""A box as STEP, as a drawing program writes it: corners, edges, six plane faces, one solid."""

from collections.abc import Iterable
from itertools import product

Vector = tuple[float, float, float]

_HEAD = """ISO-10303-21;
HEADER;
FILE_DESCRIPTION((''),'2;1');
FILE_NAME('box','2026-01-01T00:00:00',(''),(''),'','','');
FILE_SCHEMA(('AUTOMOTIVE_DESIGN { 1 0 10303 214 1 1 1 1 }'));
ENDSEC;
DATA;
"""
_CONTEXT = """#9001=(LENGTH_UNIT()NAMED_UNIT(*)SI_UNIT({prefix},.METRE.));
#9002=(NAMED_UNIT(*)PLANE_ANGLE_UNIT()SI_UNIT($,.RADIAN.));
#9003=(NAMED_UNIT(*)SI_UNIT($,.STERADIAN.)SOLID_ANGLE_UNIT());
#9004=UNCERTAINTY_MEASURE_WITH_UNIT(LENGTH_MEASURE(1.E-7),#9001,'distance_accuracy_value','');
#9005=(GEOMETRIC_REPRESENTATION_CONTEXT(3)GLOBAL_UNCERTAINTY_ASSIGNED_CONTEXT((#9004))
GLOBAL_UNIT_ASSIGNED_CONTEXT((#9001,#9002,#9003))REPRESENTATION_CONTEXT('',''));
#9010=APPLICATION_CONTEXT('automotive design');
#9011=PRODUCT_CONTEXT('',#9010,'mechanical');
#9012=PRODUCT('box','box','',(#9011));
#9013=PRODUCT_DEFINITION_FORMATION('','',#9012);
#9014=PRODUCT_DEFINITION_CONTEXT('part definition',#9010,'design');
#9015=PRODUCT_DEFINITION('design','',#9013,#9014);
#9016=PRODUCT_DEFINITION_SHAPE('','',#9015);
#9017=ADVANCED_BREP_SHAPE_REPRESENTATION('',(#9000),#9005);
#9018=SHAPE_DEFINITION_REPRESENTATION(#9016,#9017);
ENDSEC;
END-ISO-10303-21;
"""


def step_box(x: float, y: float, z: float, *, prefix: str = ".MILLI.") -> bytes:
    """Return a box with one corner at the origin; `prefix` is that of its unit, metres."""
    file = _File()
    for axis, is_high in product(range(3), (False, True)):
        file.add_face((x, y, z), axis, is_high=is_high)
    shell = file.add(f"CLOSED_SHELL('',({_names(file.faces)}))")
    file.lines.append(f"#9000=MANIFOLD_SOLID_BREP('',#{shell});")
    return (_HEAD + "\n".join(file.lines) + "\n" + _CONTEXT.format(prefix=prefix)).encode()


class _File:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.faces: list[int] = []
        self._corners: dict[Vector, int] = {}
        self._edges: dict[tuple[Vector, Vector], int] = {}

    def add(self, entity: str) -> int:
        number = len(self.lines) + 1
        self.lines.append(f"#{number}={entity};")
        return number

    def add_face(self, size: Vector, axis: int, *, is_high: bool) -> None:
        """Add the side of the box at the low or the high end of an axis."""
        along, across = (axis + 1) % 3, (axis + 2) % 3
        ring: list[Vector] = []
        for first, second in ((0, 0), (1, 0), (1, 1), (0, 1)):
            corner = [0.0, 0.0, 0.0]
            corner[axis] = size[axis] if is_high else 0.0
            corner[along], corner[across] = first * size[along], second * size[across]
            ring.append((corner[0], corner[1], corner[2]))
        ring = ring if is_high else ring[::-1]
        edges = [self._edge(a, b) for a, b in zip(ring, ring[1:] + ring[:1], strict=True)]
        loop = self.add(f"EDGE_LOOP('',({_names(edges)}))")
        bound = self.add(f"FACE_OUTER_BOUND('',#{loop},.T.)")
        normal = tuple((1.0 if is_high else -1.0) * (each == axis) for each in range(3))
        side = tuple(float(each == along) for each in range(3))
        place = self._placement(ring[0], normal, side)
        plane = self.add(f"PLANE('',#{place})")
        self.faces.append(self.add(f"ADVANCED_FACE('',(#{bound}),#{plane},.T.)"))

    def _edge(self, a: Vector, b: Vector) -> int:
        is_forward = a < b
        low, high = (a, b) if is_forward else (b, a)
        if (low, high) not in self._edges:
            way = tuple(float(_sign(h - w)) for w, h in zip(low, high, strict=True))
            point = self._point(low)
            vector = self.add(f"VECTOR('',#{self.add(_direction(way))},1.)")
            line = self.add(f"LINE('',#{point},#{vector})")
            ends = f"#{self._vertex(low)},#{self._vertex(high)}"
            self._edges[low, high] = self.add(f"EDGE_CURVE('',{ends},#{line},.T.)")
        sense = ".T." if is_forward else ".F."
        return self.add(f"ORIENTED_EDGE('',*,*,#{self._edges[low, high]},{sense})")

    def _vertex(self, at: Vector) -> int:
        if at not in self._corners:
            self._corners[at] = self.add(f"VERTEX_POINT('',#{self._point(at)})")
        return self._corners[at]

    def _point(self, at: Vector) -> int:
        return self.add(f"CARTESIAN_POINT('',{_tuple(at)})")

    def _placement(self, at: Vector, normal: Iterable[float], side: Iterable[float]) -> int:
        point = self._point(at)
        axes = [self.add(_direction(way)) for way in (normal, side)]
        return self.add(f"AXIS2_PLACEMENT_3D('',#{point},#{axes[0]},#{axes[1]})")


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def _direction(way: Iterable[float]) -> str:
    return f"DIRECTION('',{_tuple(way)})"


def _tuple(numbers: Iterable[float]) -> str:
    return "(" + ",".join(f"{number:.6f}" for number in numbers) + ")"


def _names(numbers: Iterable[int]) -> str:
    return ",".join(f"#{number}" for number in numbers)
