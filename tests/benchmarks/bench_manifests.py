"""Reading, repairing and writing all real manifests, and what becomes of them.

    python -m tests.benchmarks.bench_manifests

Processor time of one process. "Lost" counts keys of others that are not the same after a
manifest was written as OKH 2.4 and read again.
"""

import tomllib
from collections import Counter
from decimal import Decimal
from pathlib import Path
from time import process_time

from commonfab.node.manifests import licence, repairs
from commonfab.node.manifests.reading import ManifestRefused, Opened
from commonfab.node.manifests.writing import to_toml
from tests.real_data import real_data

SECONDS_MAX = 10.0
LICENCE_SHARE_MIN = 0.97


def run(files: list[Path]) -> tuple[Counter[str], float]:
    """Return how many manifests ended in which way, and the seconds that it took."""
    outcome: Counter[str] = Counter()
    written: list[tuple[Opened, str]] = []
    begin = process_time()
    for file in files:
        try:
            opened = Opened(file)
            manifest = opened.manifest()
        except ManifestRefused:
            outcome["refused in words"] += 1
            continue
        written.append((opened, to_toml(manifest)))
        doubted = any((each.level, each.key) == ("doubt", "license") for each in manifest.findings)
        kind = "a doubt" if doubted else "SPDX" if licence.is_spdx(manifest.licence) else "nothing"
        outcome[f"licence: {kind}"] += 1
        outcome["findings"] += len(manifest.findings)
    seconds = process_time() - begin
    outcome["keys lost"] = sum(lost(opened, text) for opened, text in written)
    return outcome, seconds


def lost(opened: Opened, text: str) -> int:
    """Return how many keys that OKH does not have came back otherwise than they were."""
    again = tomllib.loads(text, parse_float=Decimal)
    names = {key: repairs.spelt(key) for key in opened.raw}
    others = [key for key, name in names.items() if name not in {*repairs.KEYS, *repairs.SPELLINGS}]
    return sum(again.get(key) != opened.raw[key] for key in others)


def main() -> None:
    files = sorted(real_data("okh").glob("losh-list/**/*.toml"))
    if not files:
        print("skipped: no real manifests; point COMMONFAB_DATA to a folder that holds okh/")
        return
    run(files[:1])
    outcome, seconds = run(files)
    print(f"{len(files)} manifests in {seconds:.2f} s of processor time (goal {SECONDS_MAX:.0f} s)")
    for what, count in sorted(outcome.items()):
        print(f"  {what:20} {count:6}")
    ended = outcome["licence: SPDX"] + outcome["licence: a doubt"]
    share = ended / len(files)
    print(f"  SPDX or a doubt      {share:6.1%} (goal {LICENCE_SHARE_MIN:.0%})")
    assert share >= LICENCE_SHARE_MIN
    assert outcome["keys lost"] == 0
    assert seconds < SECONDS_MAX


if __name__ == "__main__":
    main()
