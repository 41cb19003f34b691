"""The one polite, safe client of the scrapers.

`fetcher.Fetcher` reads pages, APIs, images and files one at a time (requests); `bulk.transfer` brings many images at
once (asyncio):

    fetcher = Fetcher(settings)
    page = fetcher.fetch_page(url)                               # Answer: .text, .content, .final_url, .etag, …
    reply = fetcher.fetch_json(url, params={...}, headers={...}) # Answer: .json(); an API: robots.txt is not asked
    photograph = fetcher.fetch_image(url, etag=..., last_modified=...)  # Answer; .is_unchanged (304)
    archive = fetcher.fetch_file(url, path, max_bytes=...)       # Answer without content; path appears when whole

    for fate in transfer(wanted, sink, settings=settings):       # wanted: Iterable[Wanted]; read as it is needed
        ...                                                      # exactly one Fate to each Wanted, in any order

With `world=fetcher.world` both share what they know of hosts, and one pace, in the thread that they share.

`sink(arrived)` is called with each image, a file by then, in the thread that iterates, as `wanted` is read there too; a
CarloopError that it raises makes the fate `refused`. With a folder `spool` nothing that arrived is lost to a SIGKILL.

Both keep to the same rules, which `visits` has once, without I/O: addresses are checked, resolved once and pinned;
robots.txt is kept; each host has its own pace, which slows when the host does. A request that cannot be answered raises
`FetchFailed` (it may work later) or its kind `FetchRefused` (it never will); both have `.status` where a server spoke.
"""
