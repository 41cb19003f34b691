"""What the API has: its schema (OpenAPI, made by FastAPI) as a page, which works without the internet."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment

SCHEMA_URL = "/api/schema/"

router = APIRouter(include_in_schema=False)

_PAGE = Environment(autoescape=True).from_string("""<!doctype html>
<meta charset="utf-8">
<title>{{ title }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em }
td { padding: .2em 1em .2em 0; vertical-align: top } code { white-space: nowrap }
</style>
<h1>{{ title }}</h1>
<p>{{ description }} The whole schema: <a href="{{ schema_url }}">{{ schema_url }}</a>.</p>
<table>
{% for row in rows %}
<tr><td><code>{{ row.method }}</code><td><code>{{ row.path }}</code><td>{{ row.parameters }}<td>{{ row.about }}
{% endfor %}
</table>
""")


@dataclass(frozen=True)
class Row:
    """An endpoint; `parameters` are those of its query."""

    method: str
    path: str
    parameters: str
    about: str


@router.get("/docs")
@router.get("/docs/")
def show_docs(request: Request) -> HTMLResponse:
    """The page."""
    schema = request.app.openapi()
    info = schema["info"]
    page = _PAGE.render(
        title=info["title"], description=info["description"], schema_url=SCHEMA_URL, rows=_rows(schema["paths"])
    )
    return HTMLResponse(page)


def _rows(paths: dict[str, Any]) -> Iterator[Row]:
    for path, methods in sorted(paths.items()):
        for method, told in methods.items():
            query = [item["name"] for item in told.get("parameters", ()) if item["in"] == "query"]
            yield Row(method.upper(), path, " ".join(query), told["description"])
