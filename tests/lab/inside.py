"""Runs a program in a network namespace of its own: `inside.py FD ADDRESSES PROGRAM…`.

What carries the packets of the one device in there is sent to the socket FD.
"""

import os
import socket
import sys

from .machine import enter_namespace


def main(arguments: list[str]) -> None:
    number, addresses, *program = arguments
    device = enter_namespace(addresses.split(","))
    with socket.socket(fileno=int(number)) as outside:
        socket.send_fds(outside, [b"device"], [device])
    os.close(device)
    os.execv(program[0], program)  # noqa: S606  # There is no shell to want.


if __name__ == "__main__":
    main(sys.argv[1:])
