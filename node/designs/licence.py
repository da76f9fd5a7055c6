"""Brings the licence that a manifest names into the form that SPDX gives it.

Importers of manifests have wrapped whatever they found in `LicenseRef-`, with spaces and
spelling of their own. What is recognised gets its SPDX identifier; what is not stays as
it was given, and a remark says so.
"""

import re

_IDENTIFIERS = (
    "0BSD", "AGPL-3.0-only", "AGPL-3.0-or-later", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause",
    "CC-BY-2.0", "CC-BY-2.5", "CC-BY-3.0", "CC-BY-3.0-US", "CC-BY-4.0",
    "CC-BY-NC-3.0", "CC-BY-NC-4.0", "CC-BY-NC-ND-3.0", "CC-BY-NC-ND-4.0",
    "CC-BY-NC-SA-2.0", "CC-BY-NC-SA-2.5", "CC-BY-NC-SA-3.0", "CC-BY-NC-SA-4.0",
    "CC-BY-ND-3.0", "CC-BY-ND-4.0",
    "CC-BY-SA-2.0", "CC-BY-SA-2.5", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "CC0-1.0",
    "CERN-OHL-1.1", "CERN-OHL-1.2", "CERN-OHL-P-2.0", "CERN-OHL-S-2.0", "CERN-OHL-W-2.0",
    "EUPL-1.2", "GFDL-1.3-only", "GFDL-1.3-or-later",
    "GPL-2.0-only", "GPL-2.0-or-later", "GPL-3.0-only", "GPL-3.0-or-later", "ISC",
    "LGPL-2.1-only", "LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later",
    "MIT", "MPL-2.0", "SHL-0.5", "SHL-0.51", "SHL-2.1", "TAPR-OHL-1.0", "Unlicense",
)  # fmt: skip
_PREFIX = "LicenseRef-"
_WORDS = (
    ("creativecommons", "cc"),
    ("attribution", "by"),
    ("noncommercial", "nc"),
    ("noderivatives", "nd"),
    ("sharealike", "sa"),
    ("international", ""),
    ("license", ""),
    ("licence", ""),
)


def _key(text: str) -> str:
    """Return what is left of a name without case, punctuation, filling words and `v`."""
    letters = re.sub(r"[^a-z0-9]", "", text.lower())
    for word, short in _WORDS:
        letters = letters.replace(word, short)
    return re.sub(r"v(?=\d)", "", letters)


_BY_KEY = {_key(identifier): identifier for identifier in _IDENTIFIERS}
assert len(_BY_KEY) == len(_IDENTIFIERS), "two licences would be taken for one"


def repair(given: str) -> tuple[str, str | None]:
    """Return the licence's SPDX text and, if something should be known about it, a remark."""
    given = " ".join(given.split())
    found = _BY_KEY.get(_key(given.removeprefix(_PREFIX)))
    if found is None:
        if re.search(r"\b(?:AND|OR|WITH)\b", given) and not given.startswith(_PREFIX):
            return given, None
        return given, f"licence {given!r} is not known here: ask the licensor which one is meant"
    if re.search(r"-N[CD]-", found + "-"):
        return found, f"{found} restricts use: this is not open hardware"
    if found != given:
        return found, f"licence {given!r} is read as {found}"
    return found, None
