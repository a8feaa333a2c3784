"""Recorded runs for tests: two metrics, 600 rows, one file each."""

import numpy as np


def write_run(path, seed, *, shift=0.0, rows=600):
    rng = np.random.default_rng(seed)
    volt, amp = rng.normal(12.0 + shift, 0.2, rows), rng.normal(3.0, 0.1, rows)
    lines = [f"{i / 10:.1f},{v:.5f},{a:.5f}" for i, (v, a) in enumerate(zip(volt, amp, strict=True))]
    path.write_text("\n".join(["t,volt,amp", *lines]) + "\n")
    return path


SCOPE = {"program": "Aquila", "subsystem": "psu", "test_name": "burn-in"}
