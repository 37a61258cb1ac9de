"""Reading the dashboards as data, and putting Grafana's variables and macros into their queries the way Grafana does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "grafana" / "dashboards"


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a dashboard: where it stands, and its text."""

    where: str
    text: str
    kind: str
    """"sql" or "promql"."""


def dashboards() -> dict[str, dict[str, Any]]:
    """Every dashboard by file name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def queries() -> list[Query]:
    """Every query of every panel and variable."""
    found = []
    for name, dashboard in dashboards().items():
        for panel in dashboard["panels"]:
            for target in panel.get("targets", ()):
                where = f"{name}/{panel['title']}/{target['refId']}"
                if "rawSql" in target:
                    found.append(Query(where, target["rawSql"], "sql"))
                else:
                    found.append(Query(where, target["expr"], "promql"))
        for variable in dashboard["templating"]["list"]:
            if variable["datasource"]["type"] != "prometheus":
                found.append(Query(f"{name}/${variable['name']}", variable["query"], "sql"))
    return found


def filled(text: str, values: Mapping[str, str], time_range: tuple[str, str] = ("1980-01-01", "2040-01-01")) -> str:
    """The query as the data source receives it."""

    def value(match: re.Match[str]) -> str:
        plain = values[match["name"] or match["bare"]]
        return "'" + plain.replace("'", "''") + "'" if match["format"] == "sqlstring" else plain

    text = re.sub(r"\$__timeFilter\(([^)]*)\)", rf"\1 BETWEEN '{time_range[0]}' AND '{time_range[1]}'", text)
    return re.sub(r"\$\{(?P<name>\w+)(?::(?P<format>\w+))?\}|\$(?P<bare>[a-z]\w*)", value, text)


def references(node: Any) -> Iterator[tuple[str, str]]:
    """Type and uid of every data source that a part of a dashboard names."""
    if isinstance(node, dict):
        source = node.get("datasource")
        if isinstance(source, dict):
            yield source["type"], source["uid"]
        elif source is not None:
            yield "named", str(source)
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)
