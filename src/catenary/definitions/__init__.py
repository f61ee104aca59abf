"""What users write: frozen values, checked for what can be known without data.

A definition says what a feature is, never how or where it is computed. Nothing here does I/O or
edits an argument; names are given (`name=`) or taken from module and variable by `load`.
"""

from catenary.definitions.aggregation import Aggregation, Operation, TimeUnit, Window
from catenary.definitions.group_by import Accuracy, GroupBy
from catenary.definitions.join import Join, JoinPart
from catenary.definitions.load import load
from catenary.definitions.metadata import Derivation, MetaData
from catenary.definitions.source import EntitySource, EventSource, JoinSource, Query, Source

__all__ = [
    "Accuracy",
    "Aggregation",
    "Derivation",
    "EntitySource",
    "EventSource",
    "GroupBy",
    "Join",
    "JoinPart",
    "JoinSource",
    "MetaData",
    "Operation",
    "Query",
    "Source",
    "TimeUnit",
    "Window",
    "load",
]
