"""Two sites as they are found on the web, generated: a classifieds site and a gallery of photographs."""

from collections.abc import Callable
from typing import Any

_PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
_LICENCES = (
    "https://creativecommons.org/licenses/by/4.0/",
    "https://creativecommons.org/licenses/by-nc/4.0/",
    "",
    "https://creativecommons.org/publicdomain/zero/1.0/",
)


def publish_classifieds(
    site: Any, photograph: Callable[[int], bytes], *, adverts: int = 6, photos: int = 3, gallery: str = "gallery"
) -> None:
    """Pages of two results each; `gallery` is the class of the part with the photographs, which a redesign changes."""
    for start in range(0, adverts, 2):
        page = start // 2 + 1
        results = "".join(
            f'<li><article><a href="/advert/{number}"><img src="/thumbs/{number}.jpg"></a>'
            f'<h2><a href="/advert/{number}?ref=list#top">Car {number}</a></h2></article></li>'
            for number in range(start, min(start + 2, adverts))
        )
        following = f'<a rel="next" href="?page={page + 1}">Next</a>' if start + 2 < adverts else ""
        site.publish(
            f"/used-cars?page={page}",
            f'<!doctype html><ol class="results"><li class="sponsored"><h2><a href="/buy-now">Ad</a></h2></li>{results}'
            f'</ol><nav class="pagination"><a rel="prev" href="?page=1">Back</a>{following}</nav>',
        )
    for number in range(adverts):
        _publish_advert(site, photograph, number, photos, gallery)


def _publish_advert(site: Any, photograph: Callable[[int], bytes], number: int, photos: int, gallery: str) -> None:
    names = [f"/media/{number}/{photo}.png" for photo in range(photos)]
    lazy = "".join(f'<picture><img loading="lazy" src="{_PIXEL}" data-src="{name}?w=1600"></picture>' for name in names)
    site.publish(
        f"/advert/{number}?ref=list",
        f'<!doctype html><header><img src="/logo.png"></header><main data-advert-id="ad-{number}"><h1>Car {number}</h1>'
        f'<span itemprop="price" content="{1000 + number}">EUR</span><section class="{gallery}">{lazy}</section>'
        f'<div class="seller"><span itemprop="name">Seller {number % 2}</span></div>'
        f'<aside><section class="similar"><img data-src="/media/9/similar.png"></section></aside></main>'
        f'<footer><a rel="license" href="{_LICENCES[0]}">Terms</a></footer>',
    )
    for photo, name in enumerate(names):
        site.publish(f"{name}?w=1600", photograph((10 * number + photo) % 256), content_type="image/png")


def publish_gallery(site: Any, photograph: Callable[[int], bytes]) -> None:
    """Two tags, one of two pages; the cards go round four licences, one of them not stated."""
    pages = {"/tags/dent": range(0, 4), "/tags/dent?after=4": range(4, 8), "/tags/broken-headlight": range(6, 10)}
    for path, numbers in pages.items():
        more = '<a class="load-more" href="/tags/dent?after=4">More</a>' if path == "/tags/dent" else ""
        site.publish(
            path, f"<!doctype html><nav><img src='/logo.png'></nav><main>{''.join(map(_card, numbers))}{more}</main>"
        )
    for number in range(10):
        site.publish(f"/full/{number}.png", photograph(100 + number), content_type="image/png")


def _card(number: int) -> str:
    licence = _LICENCES[number % 4]
    link = f'<a rel="nofollow license" href="{licence}">licence</a>' if licence else ""
    sizes = ", ".join(
        f"/{name}/{number}.png {width}w" for name, width in (("small", 320), ("full", 2048), ("mid", 800))
    )
    return (
        f'<figure class="card" id="photo-{number}"><img src="/small/{number}.png" srcset="{sizes}"><figcaption>'
        f'<strong>Dent {number}</strong> by <a class="photographer">Photographer {number}</a>{link}'
        "</figcaption></figure>"
    )
