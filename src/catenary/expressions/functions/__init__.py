"""One definition per function: its types, its value for a row, its Polars form, side by side.

`registry` says what a definition is; `catalogue` holds them all; a new function is one `define`
in the file of its subject, and goldens in `tests/golden/expressions/expressions.txt`.
"""
