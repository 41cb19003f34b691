"""Saved views as a reviewer sees them: FiftyOne's App in a headless Chromium, a screenshot of each.

    carloop curate open cars &
    python -m benchmarks.app_pages cars --view "models disagree" --out pages [--app http://127.0.0.1:5151] [--json]

A page counts as shown when its text has stood still for some seconds and the App counts samples or patches on it. What
the App then says, and after how long, is told for each view.
"""

import asyncio
import base64
import json
import re
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import click

_ALL = "all"
_STILL_SECONDS, _POLL_SECONDS = 4.0, 0.5
_TEXT = "document.body ? document.body.innerText : ''"
_SHOWN = re.compile(r"(\d[\d,]*)\s+(?:of\s+\d[\d,]*\s+)?(?:sample|patch|group)", re.IGNORECASE)


@click.command()
@click.argument("dataset")
@click.option("--view", "views", multiple=True, help="A saved view; may be repeated [default: the whole dataset].")
@click.option("--app", default="http://127.0.0.1:5151", show_default=True, help="Where the App answers.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder of screenshots.")
@click.option("--chromium", default="chromium", show_default=True, help="The browser's command.")
@click.option("--wait", default=120.0, show_default=True, help="Seconds after which a page is taken as it is.")
@click.option("--json", "as_json", is_flag=True, help="Print what was seen as JSON.")
def main(dataset: str, views: tuple[str, ...], app: str, out: Path, chromium: str, wait: float, as_json: bool) -> None:
    """Take screenshots of a dataset's saved views."""
    out.mkdir(parents=True, exist_ok=True)
    addresses = {view: f"{app}/datasets/{dataset}?view={view.replace(' ', '-')}" for view in views}
    addresses = addresses or {_ALL: f"{app}/datasets/{dataset}"}
    with browser(chromium) as socket:
        seen = asyncio.run(look(socket, addresses, out, wait=wait))
    click.echo(json.dumps(seen, indent=2) if as_json else "\n".join(map(_told, seen)))


def _told(page: dict[str, Any]) -> str:
    return f"{page['view']}: {page['shown']} shown after {page['seconds']} s, {page['screenshot']}"


@contextmanager
def browser(command: str) -> Iterator[str]:
    """The DevTools socket of a page in a headless browser with a profile of its own."""
    with tempfile.TemporaryDirectory(prefix="carloop-browser-", ignore_cleanup_errors=True) as profile:
        options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
        asked = [command, *options, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
        child = subprocess.Popen(asked, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield _page_of(Path(profile) / "DevToolsActivePort", child)
        finally:
            child.terminate()
            child.wait()


def _page_of(told_in: Path, child: "subprocess.Popen[bytes]") -> str:
    """The socket of the browser's first page, once the browser has told its port."""
    import httpx

    while not told_in.exists() or not told_in.read_text():
        if child.poll() is not None:
            raise click.ClickException(f"the browser ended with code {child.returncode}; name one by --chromium")
        time.sleep(_POLL_SECONDS)
    port = told_in.read_text().split()[0]
    pages = httpx.get(f"http://127.0.0.1:{port}/json", timeout=60).json()
    return str(next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page"))


async def look(socket: str, addresses: dict[str, str], out: Path, *, wait: float) -> list[dict[str, Any]]:
    """What each page says, with a screenshot of it."""
    async with _devtools(socket) as call:
        size = {"width": 1400, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        await call("Emulation.setDeviceMetricsOverride", **size)
        return [await _look(call, view, address, out, wait) for view, address in addresses.items()]


@asynccontextmanager
async def _devtools(socket: str) -> AsyncIterator[Any]:
    """A function that asks the browser for something and gives its answer; events are passed over."""
    from websockets.asyncio.client import connect

    numbers = count(1)
    async with connect(socket, max_size=None) as connection:

        async def call(method: str, **parameters: Any) -> dict[str, Any]:
            number = next(numbers)
            await connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
            async for message in connection:
                if (answer := json.loads(message)).get("id") == number:
                    return dict(answer.get("result", {}))
            raise click.ClickException("the browser went away; run this again")

        yield call


async def _look(call: Any, view: str, address: str, out: Path, wait: float) -> dict[str, Any]:
    started = time.monotonic()
    await call("Page.navigate", url=address)
    text = await _settled(call, started + wait)
    picture = await call("Page.captureScreenshot", format="png")
    path = out / f"{view.replace(' ', '-')}.png"
    path.write_bytes(base64.b64decode(picture["data"]))
    return {
        "view": view,
        "shown": shown_on(text),
        "seconds": round(time.monotonic() - started, 1),
        "screenshot": str(path),
    }


async def _settled(call: Any, deadline: float) -> str:
    """The page's text, once it counts what it shows and stands still."""
    text, since = "", time.monotonic()
    while time.monotonic() < deadline:
        await asyncio.sleep(_POLL_SECONDS)
        found = (await call("Runtime.evaluate", expression=_TEXT)).get("result", {}).get("value", "")
        if found != text:
            text, since = found, time.monotonic()
        elif shown_on(text) is not None and time.monotonic() - since > _STILL_SECONDS:
            break
    return text


def shown_on(text: str) -> int | None:
    """How many samples or patches the App says that it shows; None where it does not say."""
    found = _SHOWN.search(text)
    return int(found[1].replace(",", "")) if found else None


if __name__ == "__main__":
    main()
