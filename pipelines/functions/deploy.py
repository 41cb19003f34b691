"""`carloop function deploy` and `carloop function remove`: functions in a Nuclio."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.functions.options import DASHBOARD, FUNCTIONS, folder_of, pairs_of
from pipelines.options import AS_JSON

if TYPE_CHECKING:
    from nuclio_functions.deploying.config import Placement, Volume
    from nuclio_functions.deploying.deployer import Result

_IMAGES = {False: "carloop-functions", True: "carloop-functions-gpu"}


def _volumes(context: click.Context, parameter: click.Parameter, texts: Iterable[str]) -> "list[Volume]":
    from nuclio_functions.deploying.config import parse_volume

    try:
        return [parse_volume(text) for text in texts]
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command("deploy")
@click.argument("names", nargs=-1)
@click.option(
    "--cpu/--gpu", "on_cpu", default=True, help="With --gpu, those with PyTorch models get an NVIDIA GPU each."
)
@DASHBOARD
@click.option("--nuclio-project", default="carloop", show_default=True, help="Nuclio's project; made if need be.")
@click.option("--registry", default="", help="Registry that images are pushed to and pulled from, as host:port/path.")
@click.option("--base-image", help="Image to build on [default: deploy/'s of this version, in the registry if named].")
@click.option("--env", multiple=True, callback=pairs_of, help="KEY=VALUE in the function's environment; repeatable.")
@click.option(
    "--volume",
    "volumes",
    multiple=True,
    callback=_volumes,
    help="/PATH:/TARGET or pvc:NAME:/TARGET, mounted read-only; repeatable. Models are looked for in "
    "/opt/carloop/bundles, or where CARLOOP_BUNDLES says.",
)
@click.option("--limit", "limits", multiple=True, callback=pairs_of, help="RESOURCE=AMOUNT, as memory=4Gi; repeatable.")
@click.option("--workers", type=click.IntRange(min=1), help="Workers, each with its own model [default: the file's].")
@click.option("--replicas", type=click.IntRange(min=1), help="Containers, on Kubernetes [default: Nuclio's].")
@click.option("--timeout", type=click.FloatRange(min=1), default=600, show_default=True, help="Seconds for each.")
@click.option("--force", is_flag=True, help="Deploy again what is deployed already, as for a new image of one name.")
@FUNCTIONS
@AS_JSON
def deploy_command(
    names: tuple[str, ...],
    on_cpu: bool,
    dashboard: str,
    nuclio_project: str,
    base_image: str | None,
    timeout: float,
    force: bool,
    functions: Path | None,
    as_json: bool,
    **place: Any,
) -> None:
    """Deploy functions to Nuclio, all or those NAMES, and wait until they are ready.

    The same again does nothing. A build that fails is told with Nuclio's reason and its log. Images to build on are
    made from deploy/: carloop-functions for CPUs, carloop-functions-gpu with PyTorch.
    """
    from nuclio_functions.checking import read_configs, require_sound
    from nuclio_functions.deploying.config import Placement
    from nuclio_functions.deploying.dashboard import Dashboard
    from nuclio_functions.deploying.deployer import Wait, config_of, deploy, find_folder

    folder = folder_of(functions)
    configs = read_configs(folder)
    require_sound(configs)
    every = [path.parent.name for path in configs if path.name == "function.yaml"]
    placement = Placement(base_image or "", project=nuclio_project, gpu=not on_cpu, **place)
    wait = Wait(timeout, lambda line: click.echo(line, err=True))
    results = []
    for chosen in [find_folder(folder, name) for name in names or every]:
        content = configs[chosen / "function.yaml"]
        if _lacks_weights(content, placement, required=bool(names)):
            continue
        image = base_image or _image(content, placement)
        config = config_of(chosen, _on(image, placement))
        results.append(deploy(Dashboard(dashboard), config, project=nuclio_project, wait=wait, force=force))
    _show(results, as_json=as_json)


def _on(image: str, placement: "Placement") -> "Placement":
    from dataclasses import replace

    return replace(placement, base_image=image)


def _image(content: Mapping[str, Any], placement: "Placement") -> str:
    """The image of deploy/ that a function needs: those with weights of their own need PyTorch."""
    from nuclio_functions.availability import REQUIRES_WEIGHTS

    image = f"{_IMAGES[REQUIRES_WEIGHTS in content['metadata']['annotations']]}:{version('carloop')}"
    return f"{placement.registry}/{image}" if placement.registry else image


def _lacks_weights(content: Mapping[str, Any], placement: "Placement", *, required: bool) -> bool:
    """Whether a function's weights are missing, which is told; BadFunction where it was asked for by name."""
    from nuclio_functions.availability import REQUIRES_WEIGHTS, is_available
    from nuclio_functions.errors import BadFunction

    variable = content["metadata"]["annotations"].get(REQUIRES_WEIGHTS)
    written = {each["name"]: each.get("value", "") for each in content["spec"].get("env", ())}
    folder = {**written, **placement.env}.get(variable, "")
    here = _on_this_machine(folder, placement.volumes)
    reason = is_available(content, {variable: here}) if variable and here is not None else None
    if reason and required:
        raise BadFunction(reason)
    if reason:
        click.echo(reason, err=True)
    return reason is not None


def _on_this_machine(folder: str, volumes: "Sequence[Volume]") -> str | None:
    """Where a container's folder lies here; None where its volume is another machine's, as nobody can look there."""
    for volume in volumes:
        if folder == volume.target or folder.startswith(f"{volume.target}/"):
            return volume.source + folder.removeprefix(volume.target) if Path(volume.source).exists() else None
    return folder


def _show(results: "list[Result]", *, as_json: bool) -> None:
    from dataclasses import asdict

    from pipelines.output import write_json

    if as_json:
        write_json([asdict(result) for result in results])
        return
    for result in results:
        port = f" on port {result.port}" if result.port else ""
        click.echo(f"{result.name} {result.outcome}{port}, configuration {result.digest[:12]}")


@click.command("remove")
@click.argument("names", nargs=-1, required=True)
@DASHBOARD
def remove_command(names: tuple[str, ...], dashboard: str) -> None:
    """Remove functions from a Nuclio, by their names there. One that is not there is no error."""
    from nuclio_functions.deploying.dashboard import Dashboard

    nuclio = Dashboard(dashboard)
    for name in names:
        if nuclio.find(name) is None:
            click.echo(f"there is no {name} at {dashboard}", err=True)
            continue
        nuclio.remove(name)
        click.echo(f"{name} removed")
    sys.stdout.flush()
