"""Many images at once: a network brings them, while the caller's thread waits or in a process of its own.

The caller's thread reads what is wanted, gives what came to the sink, and tells the fates.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from datasets.errors import CarloopError
from datasets.store import StoredImage
from scrapers.errors import FetchFailed, FetchRefused
from scrapers.fetching.addresses import Resolve, resolve_by_system
from scrapers.fetching.answers import Answer, Arrived, Fate, Outcome, Wanted
from scrapers.fetching.apart import Apart
from scrapers.fetching.images import look_at
from scrapers.fetching.links import Link, Near, Seen
from scrapers.fetching.spool import Left
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
    world: World | None = None,
) -> Iterator[Fate]:
    """Bring images, each to the sink, and tell the fate of every address, in the order in which they end.

    `wanted` is read as it is needed, at most some thousands ahead, and the sink is called in this thread. `check` may
    refuse an image before the sink sees it, by a CarloopError, as `decoding.Decoder.check` does. In the folder `spool`
    is kept what has arrived lately, so that a transfer that was killed goes on without asking for it again. With the
    `world` of a Fetcher, which may be used meanwhile in this thread, both share what they know of hosts, and their
    pace. With
    `settings.apart` the network gets a process of its own (with the system's resolver); else it must not be called
    within a running event loop. Leaving the iterator early ends what is under way.
    """
    with ExitStack() as stack:
        left = stack.enter_context(Left(spool)) if spool else None
        link = _open(world or World(settings, resolve=resolve), spool, stack)
        stack.enter_context(link)
        for seen in _each(link, iter(wanted), left, settings):
            yield _fate(*seen, sink, check)


def _open(world: World, spool: Path | None, stack: ExitStack) -> Apart | Near:
    if not world.settings.apart:
        return Near(world, spool)
    return Apart(world, spool or Path(stack.enter_context(TemporaryDirectory(prefix="carloop-arrived-"))))


def _each(link: Link, wanted: Iterator[Wanted], left: Left | None, settings: FetchSettings) -> Iterator[Seen]:
    under_way, is_more = 0, True
    while is_more or under_way:
        while is_more and under_way <= _AHEAD - _BATCH:
            batch = list(islice(wanted, _BATCH))
            is_more = len(batch) == _BATCH
            for one, answer in _left(batch, left) if left else ():
                yield one, answer, look_at(answer, settings)
            under_way += len(batch)
            link.add(batch)
            if under_way > _BATCH:
                break  # take something between batches, for the next one may take its time to be found
        if under_way:
            yield link.next()
            under_way -= 1


def _left(batch: list[Wanted], left: Left) -> Iterator[tuple[Wanted, Answer]]:
    """Those that had arrived before this process, which are taken out of the batch."""
    for one in list(batch):
        if not (one.etag or one.last_modified) and (answer := left.take(one.url)):
            batch.remove(one)
            yield one, answer


def _fate(
    wanted: Wanted,
    answer: Answer | FetchFailed,
    image: StoredImage | FetchRefused | None,
    sink: Sink,
    check: Callable[[bytes], None],
) -> Fate:
    if isinstance(answer, FetchFailed):
        outcome = Outcome.REFUSED if isinstance(answer, FetchRefused) else Outcome.FAILED
        return Fate(wanted, outcome, str(answer), tries=answer.tries)
    bare = Answer(answer.url, answer.final_url, answer.status, answer.headers, b"", answer.robots, answer.tries)
    if image is None:
        return Fate(wanted, Outcome.UNCHANGED, answer=bare, tries=answer.tries)
    try:
        if isinstance(image, FetchRefused):
            raise image
        check(answer.content)
        sink(Arrived(wanted, bare, image), answer.content)
    except CarloopError as error:
        return Fate(wanted, Outcome.REFUSED, str(error), bare, tries=answer.tries)
    return Fate(wanted, Outcome.STORED, None, bare, image, answer.tries)
