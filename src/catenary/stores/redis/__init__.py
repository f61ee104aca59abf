"""A store on a Redis or Valkey server: one dataset per hash tag, one script per commit and per read.

    <prefix>:datasets          names of all datasets
    <prefix>:{<dataset>}:meta  format, incarnation, version (how many commits there were), and of each
                               snapshot that is being read its version and deadline
    <prefix>:{<dataset>}:keys  all keys, ordered by their bytes
    <prefix>:{<dataset>}:rows  their values
    <prefix>:{<dataset>}:undo  what commits replaced, for as long as such a snapshot is older: how many lists
                               there are of a version, and these
    <prefix>:{<dataset>}:done  commits of the last minutes, so that none is done twice
    <prefix>:commits           where commits are told of (a channel)

A commit is one script, and so is the read of all that a fetch asks of a dataset: the server runs one at
a time, so each sees one instant, and a commit is there whole or not at all. A snapshot of which it is
not known beforehand what will be read is leased: while it is open, commits keep what they replace, and
its reads are taken back to its version (``snapshot.py``). A script names all keys that it touches, and these
are a fixed few: a cluster whose slot is on its way elsewhere then answers for all of them or for none.

A commit bears a number of its own. When its answer is lost with the connection, it is sent again: a
server that has done it says so, one that has not does it then, under the same conditions.
"""

from catenary.stores.redis.store import RedisStore

__all__ = ["RedisStore"]
