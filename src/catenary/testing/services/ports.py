"""Ports for servers that tests start."""

from __future__ import annotations

import socket
from typing import Final

HOST: Final = "127.0.0.1"
"""The loopback: nobody else reaches what listens there."""


def free_ports(many: int) -> list[int]:
    """Ports of the loopback that nobody listens on just now."""
    held = [socket.create_server((HOST, 0)) for _ in range(many)]
    ports = [int(each.getsockname()[1]) for each in held]
    for each in held:
        each.close()
    return ports


def is_free(port: int) -> bool:
    """Whether nobody listens on a port of the loopback just now."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True
