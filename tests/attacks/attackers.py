"""The attackers as a process: see siege.py.

python -m tests.attacks.attackers ADDRESS SEED EACH NAME…
"""

import sys
from random import Random

import trio

from tests.attacks.hostile import Gang


async def main(address: str, seed: int, each: int, names: list[str]) -> None:
    gang = Gang(address, Random(seed))  # the same attack for the same seed
    print("begun", flush=True)
    await gang.attack(names, each)


if __name__ == "__main__":
    trio.run(main, sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
