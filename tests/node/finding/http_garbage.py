"""A server on loopback that answers the same bytes to whatever is asked, and hangs up."""

import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from threading import Thread


@contextmanager
def answering(answer: bytes) -> Generator[int]:
    """Answer so while the block lasts; give the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=_serve, args=(listener, answer))
        thread.start()
        port = listener.getsockname()[1]
        assert isinstance(port, int)
        try:
            yield port
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(listener: socket.socket, answer: bytes) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with suppress(OSError), connection:
                connection.recv(65536)
                connection.sendall(answer)
