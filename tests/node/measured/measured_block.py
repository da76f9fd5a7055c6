"""A small design that is made to measure."""

from pathlib import Path

from tests.node.village import MANIFEST, write_block

PARAMETERS = """\
{"type": "object", "properties": {
  "pd": {"type": "number", "default": 20, "minimum": 10, "maximum": 90, "unit": "mm"},
  "deep": {"type": "number", "default": 20, "minimum": 10, "maximum": 90}},
 "checks": [{"holds": "deep <= pd", "says": "no deeper than wide"}]}
"""


def write_measured(folder: Path, source: str = "cube([pd, deep, 20]);") -> Path:
    """Write a block of 20 mm that is made to measure."""
    manifest = MANIFEST.replace("[[part]]", 'parameters = "parameters.json"\n\n[[part]]')
    manifest += 'measured = true\nsource = ["block.scad"]\nseconds = 600\nmass = 9\n'
    write_block(folder, manifest=manifest)
    (folder / "parameters.json").write_text(PARAMETERS)
    (folder / "block.scad").write_text(f"pd = 20;\ndeep = 20;\n{source}\n")
    return folder
