"""Definitions that were written for Chronon, read as ours.

    compiled JSON ──► thrift (fields, types) ──► Compiled: definition, settings, notes

What changes values and has no like here is refused, with file, field and what to do; what has no
effect here is noted. The rules that then hold are ours (semantics).
"""

from catenary.interop.compiled import Compiled, is_compiled, read, read_all

__all__ = ["Compiled", "is_compiled", "read", "read_all"]
