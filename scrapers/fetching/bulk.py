"""Many images at once: a thread of its own runs the network (aiohttp), the caller's thread reads, keeps and tells."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from datasets.errors import CarloopError
from scrapers.errors import FetchFailed, FetchRefused
from scrapers.fetching.addresses import Resolve, resolve_by_system
from scrapers.fetching.answers import Answer, Arrived, Fate, Outcome, Wanted
from scrapers.fetching.images import describe
from scrapers.fetching.links import Apart, Link, Near
from scrapers.fetching.network import Came
from scrapers.fetching.robots import product_token
from scrapers.fetching.robots_tags import forbidden_by_header
from scrapers.fetching.spool import Spool
from scrapers.fetching.visits import World
from scrapers.settings import FetchSettings

Sink = Callable[[Arrived, bytes], None]

_AHEAD = 4096
_BATCH = 64


def transfer(
    wanted: Iterable[Wanted],
    sink: Sink,
    *,
    settings: FetchSettings,
    resolve: Resolve = resolve_by_system,
    check: Callable[[bytes], None] = lambda content: None,
    spool: Path | None = None,
) -> Iterator[Fate]:
    """Bring images, each to the sink, and tell the fate of every address, in the order in which they end.

    `wanted` is read as it is needed, at most some thousands ahead, and the sink is called in this thread. `check` may
    refuse an image before the sink sees it, by a CarloopError, as `decoding.Decoder.check` does. In the folder `spool`
    is kept what has arrived lately, so that a transfer that was killed goes on without asking for it again. With
    `settings.apart` the network gets a process of its own (with the system's resolver); else it must not be called
    within a running event loop. Leaving the iterator early ends what is under way.
    """
    agent, most = product_token(settings.user_agent), settings.max_image_pixels
    with ExitStack() as stack:
        kept = stack.enter_context(Spool(spool)) if spool else None
        keep = kept.keep if kept else lambda answer: None
        link: Apart | Near = Apart(settings, keep) if settings.apart else Near(World(settings, resolve=resolve), keep)
        stack.enter_context(link)
        for came in _each(link, iter(wanted), kept):
            yield _fate(came, sink, check, agent=agent, max_pixels=most)


def _each(link: Link, wanted: Iterator[Wanted], spool: Spool | None) -> Iterator[Came]:
    under_way, is_more = 0, True
    while is_more or under_way:
        while is_more and under_way <= _AHEAD - _BATCH:
            batch = list(islice(wanted, _BATCH))
            is_more = len(batch) == _BATCH
            if spool:
                yield from _spooled(batch, spool)
            under_way += len(batch)
            link.add(batch)
            if under_way > _BATCH:
                break  # take something between batches, for the next one may take its time to be found
        if under_way:
            yield link.next()
            under_way -= 1


def _spooled(batch: list[Wanted], spool: Spool) -> Iterator[Came]:
    """Those that had arrived before this process, which are taken out of the batch."""
    for one in list(batch):
        if not (one.etag or one.last_modified) and (answer := spool.take(one.url)):
            batch.remove(one)
            yield one, answer


def _fate(
    came: Came,
    sink: Sink,
    check: Callable[[bytes], None],
    *,
    agent: str,
    max_pixels: int,
) -> Fate:
    wanted, answer = came
    if isinstance(answer, FetchFailed):
        outcome = Outcome.REFUSED if isinstance(answer, FetchRefused) else Outcome.FAILED
        return Fate(wanted, outcome, str(answer), tries=answer.tries)
    bare = Answer(answer.url, answer.final_url, answer.status, answer.headers, b"", answer.robots, answer.tries)
    if answer.is_unchanged:
        return Fate(wanted, Outcome.UNCHANGED, answer=bare, tries=answer.tries)
    try:
        forbidden = forbidden_by_header(answer.x_robots_tag, agent=agent)
        if forbidden:
            raise FetchRefused(f"{answer.final_url} says {forbidden!r} in its X-Robots-Tag")
        image = describe(answer.content, url=answer.final_url, max_pixels=max_pixels)
        check(answer.content)
        sink(Arrived(wanted, bare, image), answer.content)
    except CarloopError as error:
        return Fate(wanted, Outcome.REFUSED, str(error), bare, tries=answer.tries)
    return Fate(wanted, Outcome.STORED, None, bare, image, answer.tries)
