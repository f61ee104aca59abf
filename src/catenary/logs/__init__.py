"""Logs that fulfil `catenary.ports.Log`, and the addresses that topics have.

Each kind of log is a package of its own; nothing here decodes records or knows a stage.
"""
