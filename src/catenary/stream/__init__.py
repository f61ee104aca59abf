"""The stage: one GroupBy's stream, from its topics to its state in the store, by the protocol's rules.

    read ──► cut ──► wait for parents ──► enrich ──► fold ──► commit        a micro-batch
                                 tend: floor, uploads, compaction           between batches

Works on ports: which log, which store, and in which process is chosen elsewhere. State and position
are committed together, lane by lane, so that killing, pausing or doubling a stage changes no value.
"""
