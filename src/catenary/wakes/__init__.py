"""Waking sleepers of other processes, and noticing cheaply that a folder changed.

Here lies what a log and a store both need to tell waiters that something new is there, and nothing
that knows what it is. No heavy imports.
"""

from catenary.wakes.bell import Bell, Waiter
from catenary.wakes.listing import Listing

__all__ = ["Bell", "Listing", "Waiter"]
