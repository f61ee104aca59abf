"""The servers that an address names: the first of its names that leads to them.

name ──► away ──► the next name
     ──► of a cluster ──► all of it
     ──► a replica, where other names are left ──► the next name
     ──► a server by itself
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from catenary.stores.redis.failures import passes
from catenary.stores.redis.nodes import Cluster, OneServer

if TYPE_CHECKING:
    from catenary.stores.redis.address import Address
    from catenary.stores.redis.failures import Failures
    from catenary.stores.redis.nodes import Nodes

CONNECT_S: Final = 5.0
_ANSWER_S: Final = 20.0


def reached(library: Any, address: Address, failures: Failures) -> Nodes:
    """The servers, found out by asking each that is named until one leads to them.

    Errors are the client library's: one that does not pass is raised at once, others if no name is left.
    """
    settings = _settings(library, address)
    several = len(address.urls) > 1
    errors: list[Exception] = []
    for url in address.urls:
        one = library.Redis.from_url(url, **settings)
        try:
            told = one.execute_command("INFO")
            if told.get("redis_mode") == "cluster":
                one.execute_command("CLUSTER", "SLOTS")  # which says so if it may not be asked
                one.close()
                return Cluster(library.RedisCluster.from_url(url, **settings), library)
            if not several or told.get("role") == "master":
                return OneServer(one, alone=not several)
            host = urlsplit(url).netloc.rpartition("@")[2]
            errors.append(library.exceptions.ReadOnlyError(f"{host} is a replica"))
        except (library.exceptions.RedisError, library.exceptions.RedisClusterException) as error:
            if not passes(failures.of(error)):
                raise
            errors.append(error)
        one.close()
    if not several:
        raise errors[0]
    raise library.exceptions.ConnectionError("; ".join(map(str, errors)))


def _settings(library: Any, address: Address) -> dict[str, Any]:
    """Of all connections; whether and when to try again is decided by who calls."""
    return {
        "protocol": 2,
        "socket_timeout": _ANSWER_S,
        "socket_connect_timeout": CONNECT_S,
        "socket_keepalive": True,
        "retry": library.retry.Retry(library.backoff.NoBackoff(), 0),
        **({"ssl_ca_certs": address.authority} if address.authority else {}),
    }
