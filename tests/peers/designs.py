"""Designs of many files for peers to exchange, made on the spot."""

from pathlib import Path

from tests.storage.content import content


def make_design(folder: Path, size: int, files: int = 300) -> Path:
    """Write files in nested folders, about `size` bytes together, a tenth of it in one of them.

    Their content follows from the folder's name and their sizes rise from nothing.
    """
    rest = size * 9 // 10
    for number in range(files):
        path = folder / f"group {number % 7}" / f"kit {number % 3}" / f"part {number}.stl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(f"{folder.name} {number}", 3 * rest * number**2 // files**3))
    (folder / "whole.step").write_bytes(content(folder.name, size - rest))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Return what a folder has in it, by path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
