"""What can go wrong while measuring."""


class BenchError(Exception):
    """A program is missing, a task or a limit failed, or a result was wrong: there is no figure."""


class PeerError(BenchError):
    """A peer cannot be had, failed, or gave a wrong result; the others are measured anyway."""
