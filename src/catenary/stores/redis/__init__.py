"""A store on a Redis or Valkey server: one dataset per hash tag, one script per commit and per read.

    <prefix>:datasets                    names of all datasets
    <prefix>:{<dataset>}:meta            format, incarnation, version (how many commits there were)
    <prefix>:{<dataset>}:keys            all keys, ordered by their bytes
    <prefix>:{<dataset>}:rows            their values
    <prefix>:{<dataset>}:open            snapshots that are being read: version and deadline of each
    <prefix>:{<dataset>}:undo:<version>  what a commit replaced, for as long as such a snapshot is older
    <prefix>:{<dataset>}:done            commits of the last minutes, so that none is done twice
    <prefix>:commits                     where commits are told of (a channel)

A commit is one script, and so is the read of all that a fetch asks of a dataset: the server runs one at
a time, so each sees one instant, and a commit is there whole or not at all. A snapshot of which it is
not known beforehand what will be read is leased: while it is open, commits keep what they replace, and
its reads are taken back to its version (``snapshot.py``).

A commit bears a number of its own. When its answer is lost with the connection, it is sent again: a
server that has done it says so, one that has not does it then, under the same conditions.
"""

from catenary.stores.redis.store import RedisStore

__all__ = ["RedisStore"]
