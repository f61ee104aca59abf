"""Column types and schemas: what a value may be, named as Spark SQL names it.

Light on purpose: planning needs types and no data, so nothing here imports Arrow.
`schema.arrow` (not imported here) maps types to and from Arrow, the wire form.
Every column is nullable; a null is the absence of a value, and NaN is stored as null.
"""

from catenary.schema.types import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    FLOAT,
    INT,
    NULL,
    SMALLINT,
    STRING,
    TIMESTAMP,
    TINYINT,
    Field,
    Schema,
    Type,
    array,
    map_of,
    parse_type,
    struct,
)

__all__ = [
    "BIGINT",
    "BINARY",
    "BOOLEAN",
    "DATE",
    "DOUBLE",
    "FLOAT",
    "INT",
    "NULL",
    "SMALLINT",
    "STRING",
    "TIMESTAMP",
    "TINYINT",
    "Field",
    "Schema",
    "Type",
    "array",
    "map_of",
    "parse_type",
    "struct",
]
