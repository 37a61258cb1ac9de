"""What is shown runs: the notebook, and the Python blocks of README and the method documents."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs" / "methods").glob("*.md"))]
SHOWN = [path for path in DOCUMENTS if "```python" in path.read_text()]


def python_blocks(text: str) -> list[str]:
    """Return the Python code blocks of a Markdown text."""
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("path", SHOWN, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_python_blocks_run(path: Path) -> None:
    """Blocks of one document share their names, as a reader types them."""
    names: dict[str, object] = {"__name__": path.stem}
    for block in python_blocks(path.read_text()):
        exec(compile(block, path.name, "exec"), names)


def test_every_method_document_but_the_index_shows_code() -> None:
    names = "README historical ewma-normal coherent drawdown liquidity attribution conventions pnl-and-exceptions"
    assert {path.stem for path in SHOWN} >= set(names.split())


def test_notebook_runs_and_is_stored_without_output() -> None:
    path = ROOT / "examples" / "var_in_a_notebook.ipynb"
    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)
    imported = re.findall(r"^(?:from|import) (\w+)", "\n".join(c.source for c in notebook.cells if c.cell_type == "code"), re.MULTILINE)
    assert set(imported) <= {"itertools", "numpy", "pandas", "skfolio", "risk_core"}
    kernel = {"kernel_name": "python3", "resources": {"metadata": {"path": str(ROOT)}}}
    done = NotebookClient(notebook, timeout=300, **kernel).execute()
    shown = "\n".join(str(output) for cell in done.cells for output in cell.get("outputs", []))
    assert "exceptions in" in shown
    assert "historical" in shown


def test_library_loads_no_service_and_no_client() -> None:
    """Importing the library in a fresh interpreter brings in nothing that runs a service."""
    listing = "import sys, risk_core.measures, risk_core.scenarios; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    assert not {"services", "pulsar", "redis", "psycopg", "sqlalchemy", "fastapi", "pydantic", "numba"} & set(loaded)
