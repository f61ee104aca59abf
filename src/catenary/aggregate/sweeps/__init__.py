"""Operations over slices: from a sorted column and bounds to one result per query.

Each function takes a `SortedColumn` and the `Bounds` of a window and returns an Arrow array with one
value per sorted query, null where the slice has no non-null value or the result is not finite.
"""
