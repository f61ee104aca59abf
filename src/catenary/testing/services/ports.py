"""Ports for servers that tests start."""

from __future__ import annotations

import socket
from random import SystemRandom
from typing import Final

HOST: Final = "127.0.0.1"
"""The loopback: nobody else reaches what listens there."""
_FIRST: Final = 10_000
_BEYOND: Final = 32_000
_DRAWN: Final = SystemRandom()
"""Not a test's own numbers, which are the same in each of its processes."""


def free_ports(many: int) -> list[int]:
    """Ports of the loopback that nobody listens on just now.

    They lie below those that systems give to connections on their way out, one of which might have a port by
    the time that its server starts; two tests that ask at once hardly draw the same.
    """
    ports: list[int] = []
    while len(ports) < many:
        port = _DRAWN.randrange(_FIRST, _BEYOND)
        if port not in ports and is_free(port):
            ports.append(port)
    return ports


def is_free(port: int) -> bool:
    """Whether nobody listens on a port of the loopback just now."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True
