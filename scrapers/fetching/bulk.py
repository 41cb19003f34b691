"""Many images at once: a network brings them, while the caller's thread waits or in a process of its own.

The caller's thread reads what is wanted, gives what came to the sink, and tells the fates.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from datasets.errors import CarloopError
from datasets.stored_image import StoredImage
from scrapers.errors import FetchFailed, FetchRefused
from scrapers.fetching.addresses import Resolve, resolve_by_system
from scrapers.fetching.answers import Answer, Arrived, Fate, Outcome, Wanted
from scrapers.fetching.apart import Apart
from scrapers.fetching.links import Link, Near, Seen
from scrapers.fetching.settings import FetchSettings
from scrapers.fetching.spool import Left
from scrapers.fetching.visits import World

Sink = Callable[[Arrived], None]
Check = Callable[[bytes], None]

_AHEAD = 4096
_BATCH = 64
_PAYS = 2048  # so many images make up for what a process of its own takes to start
_AT_HAND_S = 1.0


def transfer(
    wanted: Iterable[Wanted],
    sink: Sink,
    *,
    settings: FetchSettings,
    resolve: Resolve = resolve_by_system,
    check: Check | None = None,
    spool: Path | None = None,
    find: Callable[[str], Path | None] = lambda file_name: None,
    world: World | None = None,
    apart: bool | None = None,
) -> Iterator[Fate]:
    """Bring images, each to the sink, and tell the fate of every address, in the order in which they end.

    `wanted` is read as it is needed, at most some thousands ahead, and the sink is called in this thread. `check` may
    refuse an image before the sink sees it, by a CarloopError, as `decoding.Decoder.check` does. In the folder `spool`
    (of the disk that the images are for) is what has arrived, so that a transfer that was killed goes on without asking
    for it again; `find` tells where an image lies that the sink had put in its place. What the sink leaves there is the
    caller's to remove, when all is in its place. Without `spool` no file outlasts the iterator, so that a sink has to
    move or read it at once. With the `world` of a Fetcher, which may be used meanwhile in this thread, both share what
    they know of hosts, and their pace. The network gets a process of its own (with the system's resolver) where
    `apart`, or where nobody says and that pays; else this must not be called within a running event loop. Leaving the
    iterator early ends what is under way.
    """
    with ExitStack() as stack:
        folder = spool or Path(stack.enter_context(TemporaryDirectory(prefix="carloop-arrived-")))
        left = stack.enter_context(Left(folder, find))
        ahead = list[Wanted]()
        if apart is None:
            ahead, apart = _look_ahead(wanted := iter(wanted))
        link = (Apart if apart else Near)(world or World(settings, resolve=resolve), folder)
        stack.enter_context(link)
        for seen in _each(link, chain(ahead, wanted), left):
            yield _fate(*seen, sink, check)


def _look_ahead(wanted: Iterator[Wanted]) -> tuple[list[Wanted], bool]:
    """Some addresses, and whether a process for the network pays: there is a core for it, and thousands are at hand."""
    ahead, until = list[Wanted](), time.monotonic() + _AT_HAND_S
    for one in wanted:
        ahead.append(one)
        if len(ahead) == _PAYS or time.monotonic() > until:
            break
    return ahead, len(ahead) == _PAYS and (os.cpu_count() or 1) > 1


def _each(link: Link, wanted: Iterator[Wanted], left: Left) -> Iterator[Seen]:
    under_way, is_more = 0, True
    while is_more or under_way:
        while is_more and under_way <= _AHEAD - _BATCH:
            batch = list(islice(wanted, _BATCH))
            is_more = len(batch) == _BATCH
            yield from _left(batch, left)
            under_way += len(batch)
            link.add(batch)
            if under_way > _BATCH:
                break  # take something between batches, for the next one may take its time to be found
        if under_way:
            yield link.next()
            under_way -= 1


def _left(batch: list[Wanted], left: Left) -> Iterator[Seen]:
    """Those that had arrived before this process, which are taken out of the batch."""
    for one in list(batch):
        if not (one.etag or one.last_modified) and (taken := left.take(one.url)):
            batch.remove(one)
            yield one, *taken


def _fate(
    wanted: Wanted,
    answer: Answer | FetchFailed,
    image: StoredImage | FetchRefused | None,
    path: str,
    sink: Sink,
    check: Check | None,
) -> Fate:
    if isinstance(answer, FetchFailed):
        outcome = Outcome.REFUSED if isinstance(answer, FetchRefused) else Outcome.FAILED
        return Fate(wanted, outcome, str(answer), tries=answer.tries)
    if image is None:
        return Fate(wanted, Outcome.UNCHANGED, answer=answer, tries=answer.tries)
    try:
        if isinstance(image, FetchRefused):
            raise image
        arrived = Arrived(wanted, answer, image, path)
        if check:
            check(arrived.read())
        sink(arrived)
    except CarloopError as error:
        return Fate(wanted, Outcome.REFUSED, str(error), answer, tries=answer.tries)
    return Fate(wanted, Outcome.STORED, None, answer, image, answer.tries)
