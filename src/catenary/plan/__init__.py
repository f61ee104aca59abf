"""Definitions to a checked DAG, and what can be said about it without data.

    definitions ──► build ──► Plan ──► partitions   which days of what are to be computed
                               │ ──► explain      what will be done, for people
                               └ ──► lineage      what comes from where, down to source columns

Tables are known by their schemas, which are passed in; nothing here reads one.
"""

from catenary.plan.builder import build
from catenary.plan.fingerprints import column_fingerprints
from catenary.plan.nodes import GroupByNode, JoinNode, Node, PartNode, Plan, ScanNode
from catenary.plan.origins import Lineage, Origin, column_origin, lineage
from catenary.plan.printing import explain
from catenary.plan.ranges import (
    Reads,
    Step,
    Work,
    partitions,
    partitions_for_reads,
    read_instants,
    source_days,
)
from catenary.plan.settings import ChainSettings
from catenary.plan.stage import StageSpec

__all__ = [
    "ChainSettings",
    "GroupByNode",
    "JoinNode",
    "Lineage",
    "Node",
    "Origin",
    "PartNode",
    "Plan",
    "Reads",
    "ScanNode",
    "StageSpec",
    "Step",
    "Work",
    "build",
    "column_fingerprints",
    "column_origin",
    "explain",
    "lineage",
    "partitions",
    "partitions_for_reads",
    "read_instants",
    "source_days",
]
