"""The table of `docs/methods/regimes.md`: its parts on the real index and on made days."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.regime_walk import entries, falls, index, table
from risk_core.regimes import walk_forward


def test_falls_of_the_index_are_those_that_everybody_knows() -> None:
    days, close = index()
    found = {f.name: (str(days[f.peak]), str(days[f.trough]), round(f.depth, 3)) for f in falls(days, close)}
    assert found["2007 to 2009"] == ("2007-10-09", "2009-03-09", 0.568)
    assert found["2020"] == ("2020-02-19", "2020-03-23", 0.339)
    assert found["2000 to 2002"][:2] == ("2000-03-24", "2002-10-09")


def test_an_entry_is_a_first_day_on_after_twenty_off() -> None:
    on = np.zeros(100, np.bool_)
    on[[3, 4, 10, 30, 31, 45, 80]] = True
    assert entries(on).tolist() == [3, 80]
    on[31:45] = False
    on[[10, 45]] = False
    assert entries(on).tolist() == [3, 30, 80]


def test_the_table_has_every_fall_and_counts_alarms() -> None:
    days, close = index()
    returns = 100.0 * (close[1:] / close[:-1] - 1.0)
    walk = walk_forward(returns, 2, first=2_000, every=6_500, starts=0)
    told = table(days, close, walk, 2, "normal")
    assert [line.split(" | ")[0].strip("| ") for line in told.splitlines()[2:7]] == ["1998", "2000 to 2002", "2007 to 2009", "2011", "2020"]
    assert "nan" not in told
    assert "2 states, normal: on " in told


@pytest.mark.parametrize("quiet", [19, 20, 21])
def test_twenty_days_off_are_enough(quiet: int) -> None:
    on = np.zeros(60, np.bool_)
    on[[5, 5 + quiet]] = True
    assert len(entries(on)) == (2 if quiet > 20 else 1)
