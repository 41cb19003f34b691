"""The compose files and Dockerfiles keep their promises; Docker itself is asked where it is installed.

Keys and rules: https://github.com/compose-spec/compose-spec.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
SERVERS, JOINED, OVERRIDE = "docker-compose.yml", "deploy/compose.cvat.yml", "deploy/cvat.override.yml"
GPUS = "deploy/compose.gpu.yml"
FILES = (SERVERS, JOINED, OVERRIDE, GPUS)
DOCKERFILES = (
    "deploy/Dockerfile",
    "deploy/Dockerfile.functions",
    "deploy/Dockerfile.functions-gpu",
    "deploy/Dockerfile.minio",
)
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")

TOP_KEYS = {"name", "include", "services", "volumes", "networks"}
SERVICE_KEYS = {
    *("image", "build", "user", "entrypoint", "command", "environment", "volumes", "ports", "networks", "extra_hosts"),
    *("depends_on", "healthcheck", "restart", "profiles", "shm_size", "cap_drop", "security_opt", "logging"),
    "deploy",
}
"""The part of the specification that is used here, so that a slip of the pen is none of it."""
SECRETS = {name: "8-letters" for name in ("POSTGRES_PASSWORD", "MONGO_PASSWORD", "MINIO_PASSWORD", "GRAFANA_PASSWORD")}
CVAT_OWN = {"CVAT_HOST", "CVAT_VERSION"}
"""Variables of CVAT's compose files."""


class Loader(yaml.SafeLoader):
    """YAML with compose's own tags, which say how a value is merged."""


Loader.add_constructor("!override", lambda loader, node: loader.construct_sequence(node))


def read_text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@cache
def read_compose(path: str) -> dict[str, Any]:
    content = yaml.load(read_text(path), Loader)
    assert isinstance(content, dict)
    return content


def services(*paths: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in paths:
        yield from read_compose(path)["services"].items()


def variables(path: str) -> set[str]:
    return set(re.findall(r"\$\{(\w+)", read_text(path)))


def documented() -> set[str]:
    return set(re.findall(r"^(\w+)=", read_text(".env.example"), re.MULTILINE))


def locked(package: str) -> str:
    found = re.search(rf"^{package}==([^ ]+)", LOCK, re.MULTILINE)
    assert found, f"{package} is not in requirements.lock"
    return found[1]


@pytest.mark.parametrize("path", FILES)
def test_compose_knows_every_key(path: str) -> None:
    content = read_compose(path)
    unknown = {key for key in content if not key.startswith("x-")} - TOP_KEYS
    unknown |= {key for _, service in services(path) for key in service} - SERVICE_KEYS
    assert unknown == set()


def test_every_image_is_pinned_to_a_version() -> None:
    images = [service["image"] for _, service in services(SERVERS)]
    images += [image for path in DOCKERFILES for image in re.findall(r"^FROM (\S+)", read_text(path), re.MULTILINE)]
    assert [image for image in images if not re.search(r":(v?\d+\.\d+|RELEASE\.\d{4}-)", image)] == []


def test_every_port_is_open_to_this_machine_only() -> None:
    ports = [port for _, service in services(*FILES) for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_every_volume_is_declared_and_used() -> None:
    used = {volume.split(":")[0] for _, service in services(SERVERS) for volume in service.get("volumes", [])}
    assert {name for name in used if not name.startswith("./")} == set(read_compose(SERVERS)["volumes"])


def test_every_file_that_a_container_is_shown_is_there_and_cannot_be_written() -> None:
    shown = [
        volume.split(":")
        for _, service in services(SERVERS)
        for volume in service.get("volumes", [])
        if volume.startswith("./")
    ]
    assert shown
    assert [source for source, _, mode in shown if mode != "ro" or not (ROOT / source).exists()] == []


def test_a_service_waits_only_for_services_that_tell_their_health_or_end() -> None:
    here = dict(services(SERVERS))
    awaited = {
        (name, how["condition"]) for service in here.values() for name, how in service.get("depends_on", {}).items()
    }
    assert awaited
    told = {True: "service_healthy", False: "service_completed_successfully"}
    assert [name for name, condition in awaited if condition != told["healthcheck" in here[name]]] == []


def test_every_server_tells_its_health_and_is_started_again() -> None:
    servers = [(name, service) for name, service in services(SERVERS) if service.get("restart") == "unless-stopped"]
    assert {name for name, _ in servers} >= {"prefect", "flows", "mlflow", "mongo", "fiftyone", "minio", "grafana"}
    assert [name for name, service in servers if "healthcheck" not in service] == []


def test_the_carloop_commands_that_services_run_exist() -> None:
    from pipelines.cli import main

    ours = {name: service for name, service in services(SERVERS) if service["image"].startswith("carloop:")}
    commands = {
        name: service["command"]
        for name, service in ours.items()
        if "entrypoint" not in service and "command" in service
    }
    assert {name: command[:2] for name, command in commands.items()} == {
        "fiftyone": ["curate", "open"],
        "webhook": ["flows", "webhook"],
    }
    for command in commands.values():
        assert main.main([*command, "--help"], standalone_mode=False) == 0


def test_cvat_sends_its_events_where_the_webhook_listens() -> None:
    from cvat.events import PATH

    options = dict(services(SERVERS))["webhook"]["command"]
    port = options[options.index("--port") + 1]
    assert options[options.index("--address") + 1] == f"http://webhook:{port}{PATH}"


@pytest.mark.parametrize("name", ["worker", "flows"])
def test_gpus_are_reserved_for_what_trains(name: str) -> None:
    devices = dict(services(GPUS))[name]["deploy"]["resources"]["reservations"]["devices"]
    assert devices == [{"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}]
    assert name in dict(services(SERVERS))


def test_the_services_that_meet_cvat_are_carloops_own_and_stay_on_their_own_network_too() -> None:
    here = dict(services(SERVERS))
    for name, service in services(JOINED):
        assert name in here
        assert service["networks"] == ["default", "cvat"]


def test_every_variable_is_documented_and_every_documented_one_is_used() -> None:
    assert set().union(*map(variables, FILES)) == documented() - CVAT_OWN


def test_no_secret_has_a_value_in_the_repository() -> None:
    texts = [read_text(path) for path in (*FILES, ".env.example")]
    secrets = [found for text in texts for found in re.findall(r"\b\w*PASSWORD(?::-|=|: )(.*)", text)]
    assert len(secrets) > 3
    assert [secret for secret in secrets if secret and not secret.startswith(("${", "}"))] == []
    assert ".env" in read_text(".gitignore").splitlines()


def test_nothing_runs_as_root() -> None:
    theirs = {name: service.get("user") for name, service in services(SERVERS) if "build" not in service}
    assert [name for name, user in theirs.items() if user is None or user.split(":")[0] in ("root", "0")] == []
    users = [re.findall(r"^USER (.*)", read_text(path), re.MULTILINE)[-1] for path in DOCKERFILES]
    assert [user for user in users if user in ("root", "0")] == []


def test_every_dockerfile_that_is_named_is_there() -> None:
    named = {service["build"]["dockerfile"] for _, service in services(SERVERS) if "build" in service}
    assert named == set(DOCKERFILES)
    assert all((ROOT / path).is_file() for path in named)


@pytest.mark.parametrize("path", DOCKERFILES)
def test_the_builder_gets_what_it_copies(path: str) -> None:
    copied = {
        source for line in re.findall(r"^COPY (.*) \S+$", read_text(path), re.MULTILINE) for source in line.split()
    }
    assert [source for source in copied if not (ROOT / source).exists() or is_kept_from_the_builder(source)] == []


@pytest.mark.parametrize("path", [".env", ".git", ".venv", ".carloop", "tests", "cvat/__pycache__"])
def test_the_builder_gets_nothing_else(path: str) -> None:
    assert is_kept_from_the_builder(path)


def is_kept_from_the_builder(path: str) -> bool:
    """What .dockerignore says of a path: the last rule that fits it, or a folder above it, decides."""
    kept = False
    for rule in re.findall(r"^[^#\n].*", read_text(".dockerignore"), re.MULTILINE):
        if any(fnmatch(place, rule.removeprefix("!")) for place in (path, *map(str, Path(path).parents))):
            kept = not rule.startswith("!")
    return kept


def test_every_package_goes_into_the_worker() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"benchmarks", "tests"}
    copied = set(re.findall(r"^COPY (\w+) \1$", read_text("deploy/Dockerfile"), re.MULTILINE))
    assert copied == packages


def test_prefects_server_has_the_version_of_its_clients() -> None:
    image = dict(services(SERVERS))["prefect"]["image"]
    assert image == f"prefecthq/prefect:{locked('prefect')}-python3.11"


def test_the_functions_image_has_the_python_that_the_functions_ask_for() -> None:
    python = re.findall(r"^FROM (python:\d+\.\d+)", read_text("deploy/Dockerfile.functions"), re.MULTILINE)
    files = sorted((ROOT / "nuclio_functions").glob("*/function*.yaml"))
    assert files
    assert {yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]["runtime"] for path in files} == set(python)


def listed_in(path: str) -> list[str]:
    return re.findall(r"^[a-z].*", read_text(path), re.MULTILINE)


def test_the_functions_images_are_made_of_what_is_locked() -> None:
    assert all(map(locked, [*listed_in("deploy/functions.in"), *listed_in("deploy/functions-gpu.in")]))


def test_the_functions_image_has_all_that_a_handler_imports() -> None:
    listed = listed_in("deploy/functions.in")
    modules = [MODULES.get(name, name) for name in listed]
    result = subprocess.run(
        [sys.executable, "-c", IMPORT_WITH_NOTHING_BUT, *modules, *PYDANTICS_OWN],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr


MODULES = {
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "prometheus-client": "prometheus_client",
    "pyyaml": "yaml",
}
PYDANTICS_OWN = ("annotated_types", "pydantic_core", "typing_extensions", "typing_inspection")
IMPORT_WITH_NOTHING_BUT = """
import sys
from importlib.machinery import PathFinder

class Nothing:
    @staticmethod
    def find_spec(name, path=None, target=None):
        spec = PathFinder.find_spec(name, path)
        if spec and "site-packages" in str(spec.origin) and name.partition(".")[0] not in sys.argv:
            raise ModuleNotFoundError(f"the functions image has no {name}", name=name)

sys.meta_path.insert(0, Nothing)
import nuclio_functions.handler
import nuclio_functions.tracking.service
"""


def compose_config(*paths: str, **env: str) -> Any:
    """What Docker Compose makes of the files together; skips where it is not installed."""
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("Docker Compose is not installed")
    files = [argument for path in paths for argument in ("--file", path)]
    result = subprocess.run(
        [docker, "compose", "--env-file", ".env.example", *files, "--profile", "*", "config", "--format", "json"],
        cwd=ROOT,
        env={**os.environ, **SECRETS, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_docker_compose_takes_the_servers() -> None:
    assert set(compose_config(SERVERS)["services"]) == {name for name, _ in services(SERVERS)}


CVAT = {
    "docker-compose.yml": """
        services:
          cvat_server: {image: "cvat/server:dev", networks: [cvat], volumes: ["./components/logs:/logs:ro"]}
        networks: {cvat: }
    """,
    "components/serverless/docker-compose.serverless.yml": """
        services:
          nuclio: {image: "nuclio:1", networks: [cvat], ports: ["8070:8070"]}
    """,
}
"""The shape of CVAT's compose files."""


def test_docker_compose_joins_cvat_with_each_sides_paths_in_its_own_folder(tmp_path: Path) -> None:
    for name, content in CVAT.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    joined = compose_config(SERVERS, JOINED, CVAT_DIR=str(tmp_path))["services"]
    assert joined["worker"]["build"]["context"] == str(ROOT)
    assert set(joined["worker"]["networks"]) == {"default", "cvat"}
    assert joined["cvat_server"]["volumes"][0]["source"] == str(tmp_path / "components/logs")
    assert [(port["host_ip"], port["published"]) for port in joined["nuclio"]["ports"]] == [("127.0.0.1", "8070")]
