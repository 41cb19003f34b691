"""The classes of a project, with their attributes, and with their ids pinned to the project's order.

COCO category ids are 1-based in that order; YOLO ids are those minus one, over the rectangles alone.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from datasets.errors import UnknownCategory

Kind = Literal["rectangle", "ellipse", "polygon", "polyline", "points", "mask", "cuboid", "skeleton", "tag", "any"]
_RANGE = 3
_PROBLEMS = {  # what pydantic says in other words of dataclasses than of models
    "model_type": "has to be a mapping",
    "dataclass_type": "has to be a mapping",
    "unexpected_keyword_argument": "Extra inputs are not permitted",
}


class Settings(BaseModel):
    """Base of every part of the project file: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def validation_problems(error: ValidationError) -> list[str]:
    """What is wrong with data from outside, each as `place: problem`."""
    return [
        f"{'.'.join(str(part) for part in entry['loc']) or 'the top level'}: "
        + _PROBLEMS.get(entry["type"], entry["msg"].removeprefix("Value error, "))
        for entry in error.errors(include_url=False)
    ]


class Attribute(Settings):
    """What annotators say of an object beside its class.

    `values` are what a `select` or `radio` offers, and a `number`'s least, greatest and step. A `mutable` one may
    change along a track.

    Raises:
        ValueError: values or default do not fit the type.
    """

    name: str = Field(min_length=1, max_length=64)
    type: Literal["select", "radio", "checkbox", "number", "text"] = "text"
    values: tuple[str, ...] = ()
    default: str = ""
    mutable: bool = False

    @model_validator(mode="after")
    def _values_fit(self) -> Self:
        if self.type in ("select", "radio") and not self.values:
            raise ValueError(f"a {self.type} needs values to choose from")
        if self.type in ("select", "radio") and self.default not in ("", *self.values):
            raise ValueError(f"the default {self.default!r} is none of the values")
        if self.type == "checkbox" and self.default not in ("", "true", "false"):
            raise ValueError("a checkbox's default is 'true' or 'false'")
        if self.type == "number" and (len(self.values) != _RANGE or not all(_is_int(value) for value in self.values)):
            raise ValueError("a number's values are three whole numbers: least, greatest, step")
        return self


class Element(Settings):
    """One point of a skeleton; `x` and `y` are its place in the picture of the skeleton, in percent."""

    name: str = Field(min_length=1)
    x: float = Field(ge=0, le=100)
    y: float = Field(ge=0, le=100)
    attributes: tuple[Attribute, ...] = ()


class Category(Settings):
    """One class: a `tag` is of the whole image, all other kinds mark a part of it.

    A `skeleton` has `elements`, which `edges` join by name.

    Raises:
        ValueError: elements, edges or attributes do not fit.
    """

    name: str = Field(min_length=1)
    kind: Kind = "rectangle"
    aliases: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    elements: tuple[Element, ...] = ()
    edges: tuple[tuple[str, str], ...] = ()

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        points = [element.name for element in self.elements]
        if points and self.kind != "skeleton":
            raise ValueError(f"only a skeleton has elements, not a {self.kind}")
        for what, names in (("attributes", [a.name for a in self.attributes]), ("elements", points)):
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{what} of one class need different names, these are not: {', '.join(twice)}")
        if lost := sorted({name for edge in self.edges for name in edge} - set(points)):
            raise ValueError(f"edges join elements, these are none: {', '.join(lost)}")
        return self


class Taxonomy(Settings):
    """The ordered classes of a project.

    Raises:
        ValueError: two classes share a name or an alias.
    """

    categories: tuple[Category, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [name for category in self.categories for name in (category.name, *category.aliases)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"class names and aliases must be unique, these are not: {', '.join(twice)}")
        return self

    @cached_property
    def _id_of(self) -> dict[str, int]:
        return {
            name: category_id
            for category_id, category in enumerate(self.categories, start=1)
            for name in (category.name, *category.aliases)
        }

    def category_id(self, name: str) -> int:
        """The COCO id (1-based) of a class or alias. Raises UnknownCategory."""
        try:
            return self._id_of[name]
        except KeyError:
            raise UnknownCategory(f"class {name!r} is not in the project; its classes are {self.names()}") from None

    def has(self, name: str) -> bool:
        return name in self._id_of

    def name(self, category_id: int) -> str:
        """The name of a COCO category id."""
        return self.categories[category_id - 1].name

    def names(self, kind: Kind | None = None) -> list[str]:
        """Class names in the project's order, of one kind or all."""
        return [category.name for category in self.of_kind(kind)]

    def of_kind(self, kind: Kind | None) -> Sequence[Category]:
        return [category for category in self.categories if kind in (None, category.kind)]

    def ids(self, kind: Kind | None = None) -> list[int]:
        """COCO ids in the project's order, of one kind or all."""
        return [i for i, category in enumerate(self.categories, start=1) if kind in (None, category.kind)]


def _is_int(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


DEFAULT_TAXONOMY = Taxonomy(
    categories=(
        Category(name="damaged door"),
        Category(name="damaged window"),
        Category(name="damaged headlight"),
        Category(name="damaged mirror"),
        Category(name="dent"),
        Category(name="damaged hood"),
        Category(name="damaged bumper"),
        Category(name="damaged wind shield"),
        Category(name="clean", kind="tag"),
        Category(name="dirty", kind="tag"),
    )
)
