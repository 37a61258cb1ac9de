from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from risk_core.book import Node, NodeKind
from risk_core.records import RiskResult
from services.cli.replay_view import result_table

ROW = RiskResult("run", 1, 10**18, "historical", 1, 0.99, 0, "USD", 1000.0, 1500.0, 500, 9, 0.0, 0.0, 0.0, "ok", 50.0, 900.0, 1100.0)


def test_the_table_shows_what_is_known_of_an_interval() -> None:
    older = replace(ROW, node_id=2, value_at_risk_error=None, value_at_risk_lower=None, value_at_risk_upper=None)
    one_sided = replace(ROW, method="student_t", value_at_risk_upper=None, expected_shortfall_lower=-20.0, expected_shortfall_upper=30.0)
    out = io.StringIO()
    Console(file=out, width=140).print(result_table([ROW, older, one_sided], [Node(1, "Firm", NodeKind.FIRM, None, "USD")], 0.99))
    rows = {(line.split("│")[1].strip(), line.split("│")[3].strip()): line for line in out.getvalue().splitlines() if "USD" in line}
    assert "900 to 1,100" in rows["Firm", "historical"]
    assert "900 to ?" in rows["", "student_t"]
    assert "-20 to 30" in rows["", "student_t"]
    assert " to " not in rows["2", "historical"]
