"""The web console's files at the root, or a page that says how to build them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

BESIDE_PACKAGES: Final = Path(__file__).parents[2] / "console" / "dist"

MISSING: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Plimsoll</title></head>
<body><h1>Plimsoll</h1>
<p>The service runs. Its console is not built yet: run <code>make console</code> in the source folder, then load this page again.</p>
<p>Numbers are at <a href="api/v1/snapshots">api/v1/snapshots</a>, described in
<a href="api/v1/openapi.json">api/v1/openapi.json</a>; health at <a href="health/ready">health/ready</a>.</p>
</body></html>
"""


class ConsoleFiles(StaticFiles):
    """Files whose names carry a hash are kept by browsers; the page itself is asked for again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return one file."""
        response = await super().get_response(path, scope)
        hashed = path.startswith("assets/")
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if hashed else "no-cache"
        return response


def install(app: FastAPI, directory: Path | None) -> None:
    """Serve the console if it is built by now."""
    folder = directory if directory is not None else BESIDE_PACKAGES
    if (folder / "index.html").is_file():
        app.mount("/", ConsoleFiles(directory=folder, html=True), name="console")
        return

    @app.get("/", include_in_schema=False)
    def page() -> Response:
        return HTMLResponse(MISSING)
