"""`python -m benchmarks.evidence` writes the tables of docs/methods/evidence.md and build/evidence.json; `--quick` prints a small run.

`--truth` recomputes the truth of the copula book, which has no closed form.
"""

from __future__ import annotations

import os
from argparse import ArgumentParser

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main() -> None:
    """Simulate and write."""
    for name in ONE_THREAD:  # before numpy is imported, here and in the processes: they share the cores
        os.environ.setdefault(name, "1")
    import json
    from dataclasses import asdict, replace
    from pathlib import Path

    from benchmarks.evidence.laws import book_truth
    from benchmarks.evidence.simulation import FULL, QUICK, simulate
    from benchmarks.evidence.table import replaced, tables

    parser = ArgumentParser(prog="python -m benchmarks.evidence", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few samples, printed; no file is written")
    parser.add_argument("--truth", action="store_true", help="print VaR and ES of the copula book with their relative standard errors")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    if asked.truth:
        print(*book_truth(asked.seed, 60), sep="\n")
        return
    plan = replace(QUICK if asked.quick else FULL, seed=asked.seed)
    findings = simulate(plan, asked.workers)
    table = tables(findings, plan)
    if asked.quick:
        print(table)
        return
    build, page = Path("build/evidence.json"), Path("docs/methods/evidence.md")
    build.parent.mkdir(exist_ok=True)
    data = {"plan": asdict(plan), "findings": [asdict(f) for f in findings]}
    build.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n")
    page.write_text(replaced(page.read_text(encoding="utf-8"), table), encoding="utf-8")


if __name__ == "__main__":
    main()
