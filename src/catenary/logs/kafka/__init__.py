"""A log in Apache Kafka. Positions are the store's; nothing is ever committed to Kafka.

    read, wait ──► feed: one consumer per thread, partitions assigned by hand, read committed
    append     ──► appending: one idempotent producer, acks=all
    partitions, incarnation ──► directory: what topics there are, and their ids
    ends, starts ──► offsets: a connection of its own, so that no long poll is waited for
    join       ──► membership: a consumer group as a means of assignment only

What is told of offsets is what protocol needs: the *visible end* is the last stable offset; aborted
records, transaction markers and what compaction removed are gaps, and `Records.next_offset` leads past
them, also at the end. An incarnation is made of the topic's id. Files, one idea each:

    client      the client library, its settings, and what its errors mean
    directory   topics
    offsets     where partitions begin and end
    messages    messages as records: columns, no Python per message but the client's own
    cursor      what was fetched of one partition and not yet read
    feed        one thread's consumer
    appending   appends of many threads
    membership  partitions spread over processes by a consumer group
    log         the port
"""

from catenary.logs.kafka.log import KafkaLog

__all__ = ["KafkaLog"]
