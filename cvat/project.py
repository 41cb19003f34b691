"""The CVAT project: one label per class, each with the attributes that pre-labels carry."""

from collections.abc import Mapping
from typing import Any

from cvat_sdk import Client, models

from cvat.client import address, list_all
from cvat.errors import CvatConflict, told_in_a_sentence
from datasets.taxonomy import Taxonomy

MODEL = "model"
CONFIDENCE = "confidence"


def label_specs(taxonomy: Taxonomy) -> list[dict[str, Any]]:
    """CVAT's label specifications, in the project's order."""
    attributes = [
        {"name": name, "mutable": True, "input_type": "text", "default_value": "", "values": []}
        for name in (MODEL, CONFIDENCE)
    ]
    return [
        {"name": category.name, "type": category.kind, "attributes": attributes} for category in taxonomy.categories
    ]


def push_project(client: Client, name: str, taxonomy: Taxonomy) -> int:
    """The id of the project of that name, made or given the labels that it lacks.

    CVAT does not force unique names; the oldest counts.

    Raises:
        CvatConflict: a label of that name has another type.
    """
    with told_in_a_sentence(f"setting up project {name!r}", address(client)):
        found = list_all(client.api_client.projects_api, name=name)
        specs = label_specs(taxonomy)
        if not found:
            return int(client.projects.create(models.ProjectWriteRequest(name=name, labels=specs)).id)
        project = client.projects.retrieve(found[0].id)
        present = {label.name: str(label.type) for label in project.get_labels()}
        _refuse_other_types(name, specs, present)
        missing = [models.PatchedLabelRequest(**spec) for spec in specs if spec["name"] not in present]
        if missing:
            project.update(models.PatchedProjectWriteRequest(labels=missing))
        return int(project.id)


def _refuse_other_types(name: str, specs: list[dict[str, Any]], present: dict[str, str]) -> None:
    wrong = [
        f"{spec['name']!r} is {present[spec['name']]}, not {spec['type']}"
        for spec in specs
        if present.get(spec["name"], spec["type"]) != spec["type"]
    ]
    if wrong:
        raise CvatConflict(
            f"CVAT project {name!r} has labels of other types: {'; '.join(wrong)}; "
            "rename them there or choose another cvat: project:"
        )


class Labels:
    """A task's or project's labels, both ways between CVAT's ids and names."""

    def __init__(self, labels: list[Any]) -> None:
        self.id_of = {label.name: label.id for label in labels}
        self.name_of = {label.id: label.name for label in labels}
        self._spec_id = {(label.id, spec.name): spec.id for label in labels for spec in label.attributes}
        self.spec_name = {spec.id: spec.name for label in labels for spec in label.attributes}

    def attributes_to_send(self, label_id: int, values: Mapping[str, str]) -> list[dict[str, Any]]:
        return [
            {"spec_id": self._spec_id[label_id, name], "value": value}
            for name, value in values.items()
            if (label_id, name) in self._spec_id
        ]

    def attributes_of(self, labelled: Any) -> dict[str, str]:
        """Attribute values by name of a shape or tag that was read."""
        return {self.spec_name[item.spec_id]: item.value for item in labelled.attributes}
