"""Published examples, by source: `cases/*.json` holds the numbers, `runners` says which public functions each kind of case is about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.published.runners import RUNNERS, tail

HERE = Path(__file__).parent
CASES: list[dict[str, Any]] = [case for path in sorted((HERE / "cases").glob("*.json")) for case in json.loads(path.read_text())]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_published_case(case: Mapping[str, Any]) -> None:
    answers = RUNNERS[case["kind"]](**case["inputs"])
    for name, expected in case["expected"].items():
        close = pytest.approx(np.asarray(expected), rel=case["tolerance"].get("rel", 0.0), abs=case["tolerance"].get("abs", 0.0))
        assert np.asarray(answers[name]) == close, name


def test_cases_are_cited_and_tell_conventions_apart() -> None:
    assert len({case["id"] for case in CASES}) == len(CASES) >= 50
    assert all(case["source"] and case["tolerance"] and case["expected"] for case in CASES)
    assert {case["kind"] for case in CASES} == set(RUNNERS)
    by_id = {case["id"]: case for case in CASES}
    inputs = by_id["ore-historical-es"]["inputs"]
    fractional = tail(**{**inputs, "preset": "plimsoll"})["expected_shortfall"][0]
    assert fractional == pytest.approx(958_802, abs=1)  # would fail the case by 1 %


def test_the_table_names_tests_that_exist() -> None:
    """`README.md` says where each case is reproduced: by an id of `cases`, or in a file."""
    rows = [line.split("|")[1:-1] for line in (HERE / "README.md").read_text().splitlines() if line.startswith("| `")]
    ids = {case["id"] for case in CASES}
    assert len({row[0] for row in rows}) == len(rows) == 52
    for name, _, where in rows:
        places = [place.strip("`") for place in where.split() if place.startswith("`")]
        assert places or "not yet" in where, name
        assert all(place in ids or (HERE.parents[1] / place).is_file() for place in places), (name, places)
