"""Archives, unpacked once."""

from pathlib import Path

from scrapers.fetching.archives import unpack


def unpack_once(archive: Path, folder: Path) -> Path:
    """The folder with an archive's files, which is made if it is not there. Raises ArchiveRefused."""
    if not folder.exists():
        unpack(archive, folder)
    return folder
