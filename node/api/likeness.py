"""Which of the known parts are like a part: copies, remixes, the next size."""

from pathlib import Path
from typing import Annotated

import numpy as np
import trio
from msgspec import Meta, Struct

from commonfab.protocol.errors import UsageError
from commonfab.protocol.ids import RecordId
from commonfab.protocol.peer_id import peer_text
from commonfab.protocol.records import Design
from commonfab.scheduler.form.likeness import FINGERPRINT_BYTES, likeness, rank

from ..answers.alike import AlikeLine, AlikeParts
from ..meshes import measuring
from ..node import Node

_Form = tuple[RecordId, int, bytes]


class Alike(Struct, forbid_unknown_fields=True):
    """What `alike` asks: about the parts of a design, or about a mesh file."""

    design: str = ""
    file: str = ""
    limit: Annotated[int, Meta(ge=1, le=1000)] = 20


async def find(node: Node, asked: Alike) -> AlikeParts:
    """Return the parts that are most like each wanted one, but for the wanted ones themselves."""
    own, wanted = await _wanted(node, asked)
    known = [form for form in await node.library.designs.forms(FINGERPRINT_BYTES) if form[0] != own]
    nearest = await trio.to_thread.run_sync(_nearest, list(wanted.values()), known, asked.limit)
    lines = [
        line
        for name, near in zip(wanted, nearest, strict=True)
        for steps, form in near
        if (line := _line(node, name, steps, form)) is not None
    ]
    lines.sort(key=lambda line: -line.likeness)
    return AlikeParts(lines=lines[: asked.limit], compared=len(known))


async def _wanted(node: Node, asked: Alike) -> tuple[RecordId | None, dict[str, bytes]]:
    """Return the fingerprints by the names of what they are of, and the design that it is."""
    if asked.file:
        path = Path(asked.file)
        return None, {path.name: (await measuring.measure_part(path)).fingerprint}
    record = await node.library.designs.find(asked.design)
    assert isinstance(record.body, Design)
    known = {
        part.name: part.fingerprint
        for part in record.body.parts
        if len(part.fingerprint) == FINGERPRINT_BYTES
    }
    if not known:
        raise UsageError(
            f"{record.body.name}: the form of none of its parts is known; fetch it and name a mesh"
            f" file: commonfab get {record.id.hex()[:8]} --out DIR"
        )
    return record.id, known


def _nearest(wanted: list[bytes], known: list[_Form], limit: int) -> list[list[tuple[int, _Form]]]:
    """Return for each wanted form the nearest ones, with the squared steps to them."""
    data = b"".join(fingerprint for _, _, fingerprint in known)
    forms = np.frombuffer(data, dtype=np.int8).reshape(-1, FINGERPRINT_BYTES)
    found: list[list[tuple[int, _Form]]] = []
    for each in wanted:
        steps = rank(each, forms)
        order = np.argsort(steps, kind="stable")[:limit]
        found.append([(int(steps[place]), known[place]) for place in order.tolist()])
    return found


def _line(node: Node, to: str, steps: int, form: _Form) -> AlikeLine | None:
    identifier, place, _ = form
    record = node.library.designs.get(identifier)
    if record is None or node.library.denials.of_record(record):
        return None
    assert isinstance(record.body, Design)
    return AlikeLine(
        to=to,
        likeness=likeness(steps),
        design=identifier.hex(),
        name=record.body.name,
        version=record.body.version,
        part=record.body.parts[place].name,
        author=peer_text(record.author),
        author_name=node.library.name_of(record.author),
        licence=record.body.licence,
    )
