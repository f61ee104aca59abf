"""Payments, eight flat fields, as codecs read them: long, int, double, boolean, two strings, two nullable."""

import time

import numpy as np

SIZES = {100: 300, 10_000: 5}
"""How many records a batch has, and how often it is read."""
random = np.random.default_rng(7)


def payment(at: int) -> dict[str, object]:
    """One of them."""
    return {
        "ts": 1_700_000_000_000 + 13 * at,
        "user": f"user-{random.integers(100_000)}",
        "amount": float(random.random() * 100),
        "merchant": None if random.random() < 0.2 else f"m{random.integers(5000)}",
        "country": ["DE", "FR", "US"][random.integers(3)],
        "items": int(random.integers(20)),
        "refund": bool(random.random() < 0.1),
        "score": None if random.random() < 0.3 else float(random.random()),
    }


def timed(work: object, records: object) -> float:
    """Seconds that the work takes."""
    begun = time.perf_counter()
    work(records)
    return time.perf_counter() - begun
