"""Labels of a project, or of a task without one."""

import hashlib
from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from cvat.embedded.bodies import AttributeBody, LabelBody
from cvat.embedded.errors import BadRequest
from cvat.embedded.tables import Attribute, Label, Project, Task


def labels_of(task: Task) -> ColumnElement[bool]:
    """The condition for the labels a task uses: its project's or its own."""
    return Label.project_id == task.project_id if task.project_id else Label.task_id == task.id


def add_labels(session: Session, owner: Project | Task, bodies: Sequence[LabelBody]) -> None:
    """Create labels in the order given. Raises BadRequest where a name is missing or there twice."""
    for body in bodies:
        label = _new_label(session, owner, body, parent=None)
        parts = [_new_label(session, owner, part, parent=label) for part in body.sublabels]
        for part in parts:
            label.svg = label.svg.replace(f'data-label-name="{part.name}"', f'data-label-id="{part.id}"')
    _check_names(session, owner)


def change_labels(session: Session, owner: Project | Task, bodies: Sequence[LabelBody]) -> None:
    """Add, change and delete labels: those with an id are there already. Annotations go with a deleted label."""
    for body in bodies:
        if body.id is not None:
            _change_label(session, owner, body)
    add_labels(session, owner, [body for body in bodies if body.id is None])


def _owned_by(owner: Project | Task) -> ColumnElement[bool]:
    return Label.project_id == owner.id if isinstance(owner, Project) else Label.task_id == owner.id


def _new_label(session: Session, owner: Project | Task, body: LabelBody, *, parent: Label | None) -> Label:
    if body.name is None:
        raise BadRequest({"labels": [{"name": ["This field is required."]}]})
    label = Label(
        project_id=owner.id if isinstance(owner, Project) else None,
        task_id=owner.id if isinstance(owner, Task) else None,
        parent_id=parent.id if parent else None,
        name=body.name,
        color=body.color or _color(body.name),
        type=body.type,
        svg=body.svg,
    )
    session.add(label)
    session.flush()
    _check_unique([attribute.name for attribute in body.attributes], "attribute")
    session.add_all(_new_attribute(label, attribute) for attribute in body.attributes)
    session.flush()
    return label


def _change_label(session: Session, owner: Project | Task, body: LabelBody) -> None:
    label = session.scalar(select(Label).where(_owned_by(owner), Label.id == body.id))
    if label is None:
        raise BadRequest({"labels": [f"There is no label {body.id} here."]})
    if body.deleted:
        session.delete(label)
        session.flush()
        return
    label.name = body.name or label.name
    label.color = body.color or label.color
    for attribute in body.attributes:
        _change_attribute(session, label, attribute)


def _change_attribute(session: Session, label: Label, body: AttributeBody) -> None:
    known = or_(Attribute.id == body.id, Attribute.name == body.name)
    attribute = session.scalar(select(Attribute).where(Attribute.label_id == label.id, known))
    if attribute is None:
        session.add(_new_attribute(label, body))
    else:
        attribute.name, attribute.mutable, attribute.default_value = (
            body.name,
            body.mutable,
            body.default_value,
        )
        attribute.values = "\n".join(body.values)


def _new_attribute(label: Label, body: AttributeBody) -> Attribute:
    return Attribute(
        label_id=label.id,
        name=body.name,
        mutable=body.mutable,
        input_type=body.input_type,
        default_value=body.default_value,
        values="\n".join(body.values),
    )


def _check_names(session: Session, owner: Project | Task) -> None:
    """Names are unique among top labels, and among the parts of one skeleton."""
    session.flush()
    names: dict[int | None, list[str]] = {}
    for parent_id, name in session.execute(select(Label.parent_id, Label.name).where(_owned_by(owner))):
        names.setdefault(parent_id, []).append(name)
    for group in names.values():
        _check_unique(group, "label")


def _check_unique(names: Collection[str], kind: str) -> None:
    if len(set(names)) != len(names):
        raise BadRequest([f"All {kind} names must be unique"])


def _color(name: str) -> str:
    """A colour of its own for each name, the same everywhere."""
    return "#" + hashlib.sha256(name.encode()).hexdigest()[:6]
