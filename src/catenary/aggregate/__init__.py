"""Operations, partials and the slice sweep: the one place where features are computed.

Light to import: planning asks `feature` and `registry` for names and types; the kernel, which holds
Arrow and compiled loops, is `catenary.aggregate.kernel`.
"""
