"""Manifests in folders, for tests to change."""

from pathlib import Path

HEAD = """\
okhv = "2.4"
name = "Clip"
version = 1.10
license = "CERN-OHL-S-2.0"
licensor = "A. Maker"
function = "Holds a visor."
image = "/pictures/./clip.png"
"""
PART = """
[[part]]
name = "clip"
tsdc = "3DP"
export = ["clip.stl"]
material = "PETG"
"""
V1 = """\
%Open Know-How Manifest 1.0
# The template's comment.
---
title: Clip
description: |   # required
  Holds a visor.
license:
  hardware: CERN-OHL-S-2.0
licensor: {name: A. Maker}
version: 1.10
date-created: 2020-05-10
"""


def manifest_in(folder: Path, content: str | bytes, name: str = "okh.toml") -> Path:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file
