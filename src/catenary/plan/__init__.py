"""Definitions to a checked DAG, and what can be said about it without data.

    definitions ──► build ──► Plan ──► partitions   which days of what are to be computed
                               │ ──► explain      what will be done, for people
                               └ ──► lineage      what comes from where, down to source columns

Tables are known by their schemas, which are passed in; nothing here reads one.
"""

from catenary.plan.builder import build
from catenary.plan.fingerprints import column_fingerprints
from catenary.plan.nodes import GroupByNode, JoinNode, Node, PartNode, Plan, ScanNode

__all__ = [
    "GroupByNode",
    "JoinNode",
    "Node",
    "PartNode",
    "Plan",
    "ScanNode",
    "build",
    "column_fingerprints",
]
