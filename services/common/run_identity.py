"""What makes a run: everything that shapes its numbers, hashed."""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path

import risk_core

NUMERIC_PACKAGES = ("numpy", "numba", "llvmlite", "scipy")
ENGINE_PARTS = ("book.py", "records.py", "conventions.py", "methods.py", "engine", "measures", "scenarios")


def calculation_hash() -> str:
    """Return the hash of the calculation sources and the numeric packages' versions."""
    digest = hashlib.sha256()
    root = Path(risk_core.__file__).parent
    for part in ENGINE_PARTS:
        top = root / part
        for path in sorted(top.rglob("*.py")) if top.is_dir() else [top]:
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    for name in NUMERIC_PACKAGES:
        digest.update(f"{name}=={metadata.version(name)}".encode())
    return digest.hexdigest()


def run_identity(genesis: bytes, calculation: str) -> str:
    """Return the run id: the first 16 hex digits over the genesis record's bytes and the calculation hash."""
    return hashlib.sha256(calculation.encode() + genesis).hexdigest()[:16]
