"""Every compiled loop, and nothing else.

Each module is Cython in pure-Python mode over typed memoryviews: callers bring the arrays, results
are written into arrays that callers made, and the interpreter's lock is free inside the loops.
Functions that take a range (`first_key`, `end_key`, …) touch only that range's rows of their
outputs, so several threads may each take a range. The leaves that need 128 bits or more are C, in
the headers beside them.
"""
