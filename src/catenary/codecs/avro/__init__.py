"""Avro: schemas, how a writer's meets a reader's, and the records' bare binary form.

Without a container and without a registry's framing: who reads those passes bare records on.

Read next: ``schemas.py`` (text to nodes), ``types.py`` (nodes to our types), ``resolve.py`` (to a program).
"""
