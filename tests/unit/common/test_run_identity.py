from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import risk_core
from services.common import run_identity
from services.common.run_identity import ENGINE_PARTS, calculation_hash

LOADED = "import sys, services.jobs.calculation; print(*(m for m in sys.modules if m.startswith('risk_core.')))"


def test_all_that_a_calculation_loads_is_part_of_its_hash() -> None:
    """Else other code would write on under the run of before, and be refused as different, or not even that."""
    loaded = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, timeout=120).stdout.split()
    tops = {name.split(".")[1] for name in loaded}
    assert tops >= {"engine", "volatility", "copulas"}
    assert tops <= {part.removesuffix(".py") for part in ENGINE_PARTS}


@pytest.mark.parametrize("part", ENGINE_PARTS)
def test_every_part_is_there_and_changes_the_hash(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (Path(risk_core.__file__).parent / part).exists()
    whole = calculation_hash()
    monkeypatch.setattr(run_identity, "ENGINE_PARTS", tuple(p for p in ENGINE_PARTS if p != part))
    assert calculation_hash() != whole
