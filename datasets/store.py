"""The content-addressed image store: `images/ab/<sha256>.<ext>`, bytes never re-encoded."""

import hashlib
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import ExifTags, UnidentifiedImageError
from PIL import Image as PillowImage

from datasets.errors import BadDataset, TooManyPixels
from datasets.files import write_bytes
from datasets.stored_image import EXTENSIONS, Probe, StoredImage
from datasets.write_behind import WriteBehind, write_behind

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")


@contextmanager
def open_image(image: bytes | Path, *, formats: tuple[str, ...] = FORMATS) -> Iterator[PillowImage.Image]:
    """An image, by its bytes or its file, to read within the block.

    Raises:
        TooManyPixels: it has more than Pillow is told to think safe.
        BadDataset: no image of an allowed format, or cut short.
    """
    try:
        with PillowImage.open(io.BytesIO(image) if isinstance(image, bytes) else image, formats=formats) as picture:
            yield picture
    except (PillowImage.DecompressionBombWarning, PillowImage.DecompressionBombError) as error:
        raise TooManyPixels(f"too many pixels: {error}") from None
    except UnidentifiedImageError:
        raise BadDataset(f"no image that is {', '.join(formats)}") from None
    except (OSError, SyntaxError, TypeError, ValueError) as error:
        raise BadDataset(f"not a whole image: {error}") from None


def probe(content: bytes) -> Probe:
    """Read an image's header and check that its pixels decode. Raises BadDataset where `open_image` does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd metadata of pixels that decode
        warnings.simplefilter("error", PillowImage.DecompressionBombWarning)
        with open_image(content) as picture:
            extension = EXTENSIONS[str(picture.format)]
            picture.load()
            orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
            width, height = picture.size
    if orientation not in range(1, 9):
        return Probe(extension, width, height)
    return Probe(extension, *((height, width) if orientation >= 5 else (width, height)), orientation)


class ImageStore:
    """Images by the SHA-256 of their bytes, under one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, file_name: str) -> Path:
        return self.root / file_name

    def write_image(self, content: bytes) -> StoredImage:
        """Keep an image; the same bytes again change nothing. Raises BadDataset when it is no whole image."""
        stored = _describe(content)
        path = self.path(stored.file_name)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, content)
        return stored

    @contextmanager
    def batch(self) -> Iterator["ImageBatch"]:
        """A writer for many images, which are made durable together instead of one by one.

        Those written so far appear in the store now and then, and all of them at the end of the block, whether it ends
        well or not. An image that is there is whole and durable; what a killed process had begun is removed by the
        next batch.
        """
        with write_behind(self.root) as files:
            yield ImageBatch(self, files)


class ImageBatch:
    """Writes images into a store; they are certain to be there only when the batch has ended."""

    def __init__(self, store: ImageStore, files: WriteBehind) -> None:
        self._store, self._files = store, files

    def write_image(self, content: bytes) -> StoredImage:
        """Keep an image; the same bytes again change nothing. Raises BadDataset when it is no whole image."""
        stored = _describe(content)
        self._files.write(self._store.path(stored.file_name), content)
        return stored


def _describe(content: bytes) -> StoredImage:
    facts = probe(content)
    sha256 = hashlib.sha256(content).hexdigest()
    file_name = f"images/{sha256[:2]}/{sha256}.{facts.extension}"
    return StoredImage(sha256, file_name, facts.width, facts.height, facts.orientation)
