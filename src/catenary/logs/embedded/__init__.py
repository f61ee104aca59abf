"""A log in a folder: append-only segment files, one writer per partition, readers in any process.

    <folder>/.bell/                                    sockets of those who wait
    <folder>/<topic>/topic.json                        format, number of partitions
    <folder>/<topic>/<partition>/00000000000000000000  records from that offset on: a segment
    <folder>/<topic>/<partition>/end                   incarnation and visible end, shared by all
    <folder>/<topic>/<partition>/writer                locked by the process that appends

A topic's name is percent-encoded where a folder cannot bear it. Files, one idea each:

    layout    names of files, the segment's header, what a disk's refusal is called
    frames    records as bytes: the unit of writing, checking and reading
    gathered  frames as records again
    end       the visible end, written by one process and read by all
    segments  a partition's segment files, opened for reading
    writer    appends of many threads, one write and one sync; new segments; retention
    recovery  what a writer does first: find the last whole frame, cut what is behind it
    reader    from an offset to buffers
    log       topics, threads, waiting
"""

from catenary.logs.embedded.log import EmbeddedLog

__all__ = ["EmbeddedLog"]
