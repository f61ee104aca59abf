"""Adapters for stores: `lmdb`, a file per dataset; `memory`, for one process.

What keys mean is `catenary.state`'s business.
"""
