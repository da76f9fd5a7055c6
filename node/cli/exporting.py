"""`commonfab export`: designs and workshops for other programs."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from commonfab.protocol.errors import ResourceError, UsageError

from .command import Called, command

if TYPE_CHECKING:
    from ..manifests.okh import Manifest


@command("export", example='commonfab export "wall hook" --okh --to okh.toml')
@click.argument("design", default="")
@click.option("--okh", "form", flag_value="okh", help="The design's manifest, as OKH 2.4.")
@click.option("--3mf", "form", flag_value="3mf", help="Its meshes, with who made them.")
@click.option("--okw", "form", flag_value="okw", help="All known workshops and their machines.")
@click.option(
    "--to", type=click.Path(path_type=Path, dir_okay=False), help="A new file; else it is printed."
)
def export(called: Called, design: str, form: str | None, to: Path | None) -> None:
    """Write a design (a name, an id, or a path) or all known workshops in an open format."""
    if form is None:
        raise click.UsageError("say in which form: --okh, --3mf or --okw")
    if form == "okw":
        _export_okw(called, to)
        return
    if not design:
        raise click.UsageError("name the DESIGN: its name, its id, or a path")
    if form == "okh":
        from ..manifests.writing import to_toml

        with _Files(called, design) as files:
            text = to_toml(files.manifest)
        _put(called, text, to)
        return
    if to is None:
        raise click.UsageError("name a file for the 3MF: --to FILE.3mf")
    with _Files(called, design) as files:
        count = _write_3mf(files, to)
    _say_written(called, to, count)


class _Files:
    """A design's files, in a folder of its own while they are needed."""

    manifest: "Manifest"

    def __init__(self, called: Called, design: str) -> None:
        from tempfile import TemporaryDirectory

        self._called = called
        self._design = design
        self._place = TemporaryDirectory(prefix="commonfab-")
        self.path = Path(design)
        self.root = ""
        """CID of the files; empty: they are no published design's."""

    def __enter__(self) -> "_Files":
        from ..manifests import lint

        try:
            if not self.path.exists():
                self._fetch()
            self.manifest = lint.describe(self.path)
        except BaseException:
            self._place.cleanup()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._place.cleanup()

    def _fetch(self) -> None:
        from ..answers.node import Got, ShownDesign
        from ..control.client import Client

        node = Client(self._called.home)
        self.path = Path(self._place.name) / "design"
        asked = {"design": self._design}
        self.root = node.ask("show", asked, ShownDesign).root
        node.ask("get", {**asked, "out": str(self.path)}, Got)


def _write_3mf(files: _Files, to: Path) -> int:
    """Write the meshes of a design's parts; return how many."""
    import trio

    from ..exporting import three_mf
    from ..manifests import lint
    from ..meshes import measuring

    meshes = lint.meshes_of(files.path)
    if not meshes:
        raise UsageError(f"{files.path}: has no mesh; export it with --okh")

    async def read() -> list[three_mf.Piece]:
        pieces: list[three_mf.Piece] = []
        for mesh in meshes:
            found = await measuring.read_mesh(mesh)
            pieces.append(three_mf.Piece(mesh.stem, found.vertices, found.faces))
        return pieces

    manifest = files.manifest
    metadata = {
        "Title": manifest.name,
        "Designer": manifest.licensor,
        "Description": manifest.function,
        "LicenseTerms": manifest.licence,
        three_mf.CID_KEY: files.root,
    }
    try:
        three_mf.write(to, metadata, trio.run(read))
    except FileExistsError as error:
        raise UsageError(f"{to}: there is one already; name another file") from error
    except OSError as error:
        raise ResourceError(f"{to}: cannot be written: {error.strerror}; look at it") from error
    return len(meshes)


def _export_okw(called: Called, to: Path | None) -> None:
    import json

    from ..answers.okw import Facilities
    from ..control.client import Client

    found = Client(called.home).ask("okw", {}, Facilities)
    _put(called, json.dumps(found.facilities, indent=1, ensure_ascii=False) + "\n", to)


def _put(called: Called, text: str, to: Path | None) -> None:
    if to is None:
        click.echo(text, nl=False)
        return
    from ..home import durable_file

    durable_file.write_new(to, text.encode(), mode=0o644)
    _say_written(called, to, 0)


def _say_written(called: Called, to: Path, parts: int) -> None:
    if called.as_json:
        called.print_json({"written": str(to), "parts": parts})
    else:
        click.echo(str(to))
