"""The schema of the API, and the page made of it."""

import re

import requests


def test_the_schema_has_every_endpoint_with_its_method(shared_cvat_server):
    schema = requests.get(f"{shared_cvat_server.url}/api/schema/").json()
    assert schema["openapi"].startswith("3.")
    assert {"get", "post"} <= set(schema["paths"]["/api/projects"])
    assert {"get", "put", "patch", "delete"} == set(schema["paths"]["/api/{kind}/{target_id}/annotations"])
    assert all(told["description"] for methods in schema["paths"].values() for told in methods.values())


def test_the_page_lists_the_endpoints_and_loads_nothing_from_elsewhere(shared_cvat_server):
    answer = requests.get(f"{shared_cvat_server.url}/api/docs/")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "<code>/api/lambda/requests</code>" in answer.text
    assert not re.search(r'(src|href)="(https?:)?//', answer.text)
