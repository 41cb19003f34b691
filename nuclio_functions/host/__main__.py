"""`python -m nuclio_functions.host`: run function folders on this machine, as Nuclio would run them."""

import asyncio
import logging
import os
from collections.abc import Collection
from contextlib import AsyncExitStack
from pathlib import Path

import click
import uvicorn

import nuclio_functions
from datasets.errors import CarloopError
from datasets.files import write_json
from datasets.processes import end_with_stdin, listen
from nuclio_functions.host.apps import by_port, make_dashboard, make_function_app
from nuclio_functions.host.folders import HostedFunction, read_functions
from nuclio_functions.host.memory import give_back_big_blocks
from nuclio_functions.host.metrics import HostMetrics
from nuclio_functions.host.pool import Pool

FUNCTIONS = Path(nuclio_functions.__file__).parent
ANY_ADDRESS = ("0.0.0.0", "::")

log = logging.getLogger(__name__)


@click.command()
@click.option("--functions", type=click.Path(path_type=Path), help="Folder of function folders [default: Carloop's].")
@click.option("--only", multiple=True, help="Only the function in this folder; may be repeated.")
@click.option("--bundles", required=True, help="Published models: a folder, or a prefix such as s3://models/carloop.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The dashboard's port; 0 takes a free one.")
@click.option("--ready-file", type=click.Path(path_type=Path), help="Written once every function accepts calls.")
@click.option("--exit-with-stdin", is_flag=True, help="End when standard input does, so that no orphan is left.")
def main(
    functions: Path | None,
    only: tuple[str, ...],
    bundles: str,
    host: str,
    port: int,
    ready_file: Path | None,
    exit_with_stdin: bool,
) -> None:
    """Run function folders and speak Nuclio's HTTP for them."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if exit_with_stdin:
        end_with_stdin()
    try:
        run_host(functions, bundles, only=only, host=host, port=port, ready_file=ready_file)
    except CarloopError as error:
        raise SystemExit(str(error)) from error


def run_host(
    functions: Path | None,
    bundles: str,
    *,
    only: Collection[str] = (),
    host: str = "127.0.0.1",
    port: int = 0,
    ready_file: Path | None = None,
) -> None:
    """Run the function folders in `functions`, by default Carloop's own, until SIGTERM or SIGINT.

    With `only`, those of these names. `bundles` is a folder or an fsspec address. CARLOOP_* variables of this process
    win over those in function.yaml.

    Raises Unavailable for a port that is taken, and BadFunction for a function that cannot start.
    """
    give_back_big_blocks()
    ours = {name: value for name, value in os.environ.items() if name.startswith("CARLOOP_")}
    env = {**ours, "CARLOOP_BUNDLES": bundles if "://" in bundles else str(Path(bundles).absolute())}
    found = read_functions((functions or FUNCTIONS).absolute(), env, only=only)
    asyncio.run(_serve(found, env, host, port, ready_file))


async def _serve(
    functions: list[HostedFunction], env: dict[str, str], host: str, port: int, ready_file: Path | None
) -> None:
    if ready_file:
        ready_file.unlink(missing_ok=True)
    listening = [listen(host, port), *(listen(host, 0) for _ in functions)]
    dashboard_port, *function_ports = (each.getsockname()[1] for each in listening)
    ports = {function.name: number for function, number in zip(functions, function_ports, strict=True)}
    async with AsyncExitStack() as stack:
        pools = {function.name: Pool(function, env) for function in functions}
        await asyncio.gather(*(stack.enter_async_context(pool) for pool in pools.values()))
        metrics = HostMetrics(pools)
        apps = {ports[name]: make_function_app(pool, metrics) for name, pool in pools.items()}
        app = by_port({**apps, dashboard_port: make_dashboard(pools, ports, metrics)})
        if ready_file:
            urls = {name: url_of(host, number) for name, number in ports.items()}
            write_json(ready_file, {"url": url_of(host, dashboard_port), "functions": urls})
        log.info("%d functions behind http://%s:%d", len(pools), host, dashboard_port)
        await make_server(app).serve(sockets=listening)


def url_of(host: str, port: int) -> str:
    """The address at which this machine reaches a port."""
    return f"http://{'127.0.0.1' if host in ANY_ADDRESS else host}:{port}"


def make_server(app: object) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,  # type: ignore[arg-type]
            lifespan="off",
            ws="none",
            log_config=None,
            log_level="warning",
            access_log=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
        )
    )


if __name__ == "__main__":
    main()
