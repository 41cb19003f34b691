"""Prometheus asks, and Grafana shows, what Carloop's functions really tell."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from nuclio_functions.host.apps import NAME_HEADER, PATH_HEADER
from nuclio_functions.metrics import METRICS_PATH, FunctionMetrics
from nuclio_functions.spec import FUNCTIONS

DEPLOY = Path(__file__).parent.parent / "deploy"
GRAFANA = DEPLOY / "grafana"
PROVISIONED = "/etc/grafana/provisioning"
PANELS = json.loads((GRAFANA / "dashboards" / "functions.json").read_text(encoding="utf-8"))["panels"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def told() -> dict[str, set[str]]:
    """The labels of each metric of a function that has answered, with those that Prometheus adds."""
    metrics = FunctionMetrics(None)
    metrics.serves(("damage_detector@3", "ab" * 32))
    metrics.predicted(2)
    with metrics.request() as request, metrics.part("decode"), metrics.part("forward"):
        request.outcome = "ok"
    lines = re.findall(r"^(\w+)(?:\{(.*)\})? ", metrics.render().decode(), re.MULTILINE)
    found = {name: {*re.findall(r"(\w+)=", labels), "function"} for name, labels in lines}
    return found | {"up": {"job", "function"}, "carloop_function_gpu_memory_bytes": {"gpu", "kind", "function"}}


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_metrics_and_labels_that_functions_tell(query: str, told: dict[str, set[str]]) -> None:
    names = set(re.findall(r"\b(carloop_\w+|up)\b", query))
    assert names
    assert names <= set(told)
    labels = {name for by in re.findall(r"by \(([^)]*)\)", query) for name in by.split(", ")}
    labels |= set(re.findall(r"(\w+)(?:=~|!=|=)\"", query))
    assert labels <= set().union(*(told[name] for name in names))


def test_every_metric_of_functions_is_shown(told: dict[str, set[str]]) -> None:
    families = {re.sub(r"_(total|created|bucket|sum|count)$", "", name) for name in told}
    assert {family for family in families if not any(family in query for query in QUERIES)} == set()


def test_prometheus_asks_every_function_where_it_answers() -> None:
    jobs = read_yaml(DEPLOY / "prometheus.yml")["scrape_configs"]
    asked = {job["job_name"]: job for job in jobs if "http_headers" in job}
    assert set(asked) == {function.name for function in FUNCTIONS}
    for name, job in asked.items():
        assert job["metrics_path"] == "/api/function_invocations"
        assert job["http_headers"] == {NAME_HEADER: {"values": [name]}, PATH_HEADER: {"values": [METRICS_PATH]}}
        assert [each["labels"] for each in job["static_configs"]] == [{"function": name}]


def test_prometheus_asks_services_that_there_are() -> None:
    jobs = read_yaml(DEPLOY / "prometheus.yml")["scrape_configs"]
    targets = {target for job in jobs for each in job["static_configs"] for target in each["targets"]}
    services = set(read_yaml(DEPLOY.parent / "docker-compose.yml")["services"]) | {"nuclio", "127.0.0.1"}
    assert {target.partition(":")[0] for target in targets} <= services


def test_grafana_finds_its_data_and_its_dashboards() -> None:
    (source,) = read_yaml(GRAFANA / "datasources" / "prometheus.yml")["datasources"]
    (provider,) = read_yaml(GRAFANA / "dashboards" / "carloop.yml")["providers"]
    assert source["url"] == "http://prometheus:9090"
    assert {panel["datasource"]["uid"] for panel in PANELS} == {source["uid"]}
    assert provider["options"]["path"] == f"{PROVISIONED}/dashboards"
    grafana = read_yaml(DEPLOY.parent / "docker-compose.yml")["services"]["grafana"]
    assert f"./deploy/grafana:{PROVISIONED}:ro" in grafana["volumes"]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (GRAFANA / Path(home).relative_to(PROVISIONED)).is_file()
