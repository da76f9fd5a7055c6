"""At the buyer: what may be chosen of a design, and what was."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from commonfab.protocol.errors import UsageError
from commonfab.protocol.ids import NodeId
from commonfab.protocol.records import Design
from commonfab.storage.cid import CID

from ..designs.shelf import Shelf
from .parameters import SCHEMA_BYTES_MAX, Parameters, ParametersRefused, to_texts


async def parameters_of(shelf: Shelf, design: Design, peers: Sequence[NodeId]) -> Parameters:
    """Return what may be chosen of a design, fetched where it is not here.

    Raises `ParametersRefused`, and `ResourceError` where nobody gives the file.
    """
    if design.parameters is None:
        raise ParametersRefused(f"{design.name} is not made to measure: nothing of it is chosen")
    root = CID.from_bytes(design.root)
    await shelf.fetch(root, list(peers))
    with tempfile.TemporaryDirectory(prefix="commonfab-") as folder:
        schema = Path(folder) / "parameters.json"
        await shelf.export_file(root, design.parameters, schema)
        with schema.open("rb") as file:
            return Parameters(file.read(SCHEMA_BYTES_MAX + 1))


async def choose(
    shelf: Shelf, design: Design, peers: Sequence[NodeId], typed: Mapping[str, str]
) -> dict[str, str]:
    """Return all measures of an order, each as JSON writes it; none of a design that has none.

    `typed`: what a person chose. Raises `UsageError` where that is not allowed, or nothing was
    chosen of what is made to measure.
    """
    if design.parameters is None and not typed:
        return {}
    parameters = await parameters_of(shelf, design, peers)
    if not typed:
        names = ", ".join(parameters.all)
        raise UsageError(
            f"{design.name} is made to measure: order it with --measure, which asks for each"
            f" measure, or with --set NAME=VALUE; there are {names}"
        )
    return to_texts(parameters.read(typed))
