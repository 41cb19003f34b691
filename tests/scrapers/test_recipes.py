"""The recipes among the examples, on generated pages of the layouts that they are for."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from scrapers.keeping import Places
from scrapers.scrape import ScrapeReport
from scrapers.sources.settings import ListingRecipe
from tests.scrapers.generated_sites import publish_classifieds, publish_gallery

RECIPES = Path(__file__).parents[2] / "examples" / "recipes"
Visit = Callable[..., ScrapeReport]


def read(name: str, site: Any) -> ListingRecipe:
    text = (RECIPES / f"{name}.yaml").read_text()
    for host in ("https://cars.example", "https://photos.example"):
        text = text.replace(host, site.url(""))
    return ListingRecipe.model_validate(yaml.safe_load(text))


def test_the_classifieds_recipe_takes_every_gallery_and_nothing_else(
    visit: Visit, site: Any, places: Places, photograph: Callable[[int], bytes]
) -> None:
    publish_classifieds(site, photograph)
    recipe = read("classifieds", site)
    report = visit(recipe)
    assert (report.pages, report.found, report.fates, report.troubles, report.stale) == (6, 18, {"stored": 18}, (), ())
    assert Counter(record.family for record in places.catalog.records()) == {f"ad-{n}": 3 for n in range(6)}
    (record,) = (one for one in places.catalog.records() if one.url == site.url("/media/4/2.png?w=1600"))
    assert (record.title, record.price, record.author, record.listing_id) == ("Car 4", "1004", "Seller 0", "ad-4")
    assert record.license_url == "https://creativecommons.org/licenses/by/4.0/"
    assert not [path for path in site.asked() if "similar" in path or "buy" in path or "logo" in path]
    assert visit(recipe).fates == {}


def test_the_gallery_recipe_takes_what_each_card_allows(
    visit: Visit, site: Any, places: Places, photograph: Callable[[int], bytes]
) -> None:
    publish_gallery(site, photograph)
    report = visit(read("gallery", site))
    assert (report.pages, report.found) == (3, 12)
    assert report.fates == {"quarantined": 2, "stored": 5, "unlicensed": 3}
    assert all("/full/" in path for path in site.asked() if path.endswith(".png"))
    (record,) = (one for one in places.catalog.records() if one.listing_id == "photo-3")
    assert (record.title, record.author) == ("Dent 3", "Photographer 3")
    assert record.attribution == (
        f'"Dent 3" by Photographer 3, {site.url("/tags/dent")}, https://creativecommons.org/publicdomain/zero/1.0/'
    )


def test_a_redesign_makes_a_recipe_stale(visit: Visit, site: Any, photograph: Callable[[int], bytes]) -> None:
    publish_classifieds(site, photograph)
    assert visit(read("classifieds", site)).stale == ()
    site.answers.clear()
    publish_classifieds(site, photograph, gallery="carousel")
    assert visit(read("classifieds", site)).stale == ("6 pages were read and no image was found",)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_recipes_of_the_examples_are_named_as_their_files(path: Path) -> None:
    assert ListingRecipe.model_validate(yaml.safe_load(path.read_text())).name == path.stem
