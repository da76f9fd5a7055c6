"""Every error that is raised on purpose, sorted by who has to act on it."""


class CommonfabError(Exception):
    """Base of all of them; catch it only where a program ends."""


class PeerError(CommonfabError):
    """Another peer broke a rule. Drop what it sent and lower its standing."""


class Malformed(PeerError):
    """The bytes are not one canonical value of the expected form."""


class BadSignature(PeerError):
    """The bytes were not signed by the author that they name."""


class UsageError(CommonfabError):
    """This program, or the person at the keyboard, asked for something not allowed."""


class ResourceError(CommonfabError):
    """The world outside refused: disk, network, a machine. Trying again may work."""
