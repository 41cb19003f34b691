"""The model that a reference stands for: `damage_detector@champion`, `damage_detector@3`, a name alone, or a folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.modelling.place import Place
from training.bundle import Bundle, read_bundle, read_pointer
from training.errors import NotPublishable
from training.predicting.opening import PICKLES, open_checkpoint

if TYPE_CHECKING:
    from training.registry import RegisteredVersion

CHAMPION = "champion"


@dataclass(frozen=True)
class Model:
    """A model as it is served; where it was trained and what the registry knows of it, if that is known."""

    bundle: Bundle
    training: Path | None = None
    registered: "RegisteredVersion | None" = None


def find_bundle(place: Place, reference: str) -> Bundle:
    """The bundle of a model; a name alone is its champion.

    Raises:
        NoSuchModel: the registry has none of that name, alias or version.
        NotPublishable: it has no bundle yet.
        TamperedBundle: the bundle is broken.
    """
    name, _, which = reference.partition("@")
    if which in ("", CHAMPION) and (published := read_pointer(place.bundles, name)):
        return read_bundle(place.bundles, published)  # what the functions serve, without opening the registry
    return _registered(place, reference).bundle


def find_model(place: Place, reference: str, *, trust: str | None = None) -> Model:
    """The model of a reference, with its training; or the one at a path. Raises as `find_bundle` and `open_any`."""
    path = Path(reference)
    if path.exists():
        bundle = open_any(path, place, trust=trust)
        return Model(bundle, bundle.folder)
    return _registered(place, reference)


def open_any(path: Path, place: Place, *, trust: str | None) -> Bundle:
    """The model in a folder, or in a pickled file whose SHA-256 `trust` names.

    Raises:
        BadBundle: there is no model.
        UntrustedCheckpoint: it would have to be unpickled, and nobody vouched for it.
    """
    if path.suffix.lower() in PICKLES and path.is_file():
        from training.exporting.outside import open_outside

        return open_outside(path, place.root / "outside", trust=trust)
    return open_checkpoint(path)


def _registered(place: Place, reference: str) -> Model:
    found = place.registry.find(reference if "@" in reference else f"{reference}@{CHAMPION}")
    if found.bundle is None:
        raise NotPublishable(f"{found.name} has no bundle yet; let its training end and be evaluated first")
    return Model(read_bundle(place.bundles, found.bundle), found.weights.parent, found)
