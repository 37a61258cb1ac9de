"""What `import risk_core` gives in a notebook, and what it costs a service."""

from __future__ import annotations

import subprocess
import sys

import pytest

import risk_core
from risk_core import measures, scenarios


def test_the_package_offers_its_measures_and_scenario_sets() -> None:
    assert risk_core.value_at_risk is measures.value_at_risk
    assert risk_core.historical_scenarios is scenarios.historical_scenarios
    assert {*measures.__all__, *scenarios.__all__, "book"} - {*risk_core._SHARED} <= set(dir(risk_core))
    with pytest.raises(AttributeError, match="no attribute 'value_at_rsik'"):
        _ = risk_core.value_at_rsik


def test_importing_it_loads_no_pandas() -> None:
    asked = "import sys, risk_core, risk_core.book; sys.exit('pandas' in sys.modules or 'scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], check=False, timeout=60).returncode == 0
