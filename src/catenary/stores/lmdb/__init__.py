"""A store in a folder: one LMDB file per dataset, readers and writers in any process.

    <folder>/.bell/                      sockets of those who wait for any commit
    <folder>/<dataset>/.bell/            of those who wait for one to this dataset
    <folder>/<dataset>/format            who wrote it: the layout's version, LMDB's
    <folder>/<dataset>/data.mdb          keys and values; lock.mdb beside it

A dataset is a GroupBy's, so stages of different GroupBys never wait for each other. Several processes
that follow partitions of one GroupBy share its file; each holds the writer's lock only while a commit's
keys are put, all else (reading, waiting, enriching, folding) is done before. A name that a folder
cannot bear is percent-encoded.
"""

from catenary.stores.lmdb.store import LmdbStore

__all__ = ["LmdbStore"]
