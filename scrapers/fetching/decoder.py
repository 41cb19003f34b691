"""The process that decodes images nobody has looked at: a script of its own, with limits set before the first byte.

On stdin come requests: the longest side wanted (0: none, only check), the number of bytes, the bytes. On stdout go
replies: the number of bytes, JSON of `width` and `height` (of the pixels, upright, RGB) or `error`, the pixels.
Started by `decoding`, with the limits as arguments: memory in bytes, seconds of processor time, pixels.
"""

import io
import json
import resource
import sys
import warnings

from PIL import Image, ImageOps

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")


def main() -> None:
    memory_bytes, seconds, pixels = map(int, sys.argv[1:])
    Image.init()
    _limit(resource.RLIMIT_AS, memory_bytes)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, 16)
    Image.MAX_IMAGE_PIXELS = pixels
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    read, write = sys.stdin.buffer.read, sys.stdout.buffer.write
    while request := read(8):
        used = resource.getrusage(resource.RUSAGE_SELF)
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + seconds + 1, hard))
        said, content = _decode(read(int.from_bytes(request[4:], "big")), side=int.from_bytes(request[:4], "big"))
        head = json.dumps(said).encode()
        write(len(head).to_bytes(4, "big") + head + content)
        sys.stdout.buffer.flush()


def _decode(content: bytes, *, side: int) -> tuple[dict[str, object], bytes]:
    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
            if not side:
                picture.load()
                return {"width": picture.width, "height": picture.height}, b""
            picture.draft("RGB", (side, side))
            picture.thumbnail((side, side))
            upright = ImageOps.exif_transpose(picture).convert("RGB")
            return {"width": upright.width, "height": upright.height}, upright.tobytes()
    except MemoryError:
        return {"error": "it takes more memory than is allowed"}, b""
    except Exception as error:  # a decoder may raise anything, and all of it means the same
        return {"error": f"{type(error).__name__}: {error}"[:300]}, b""


def _limit(what: int, most: int) -> None:
    resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    main()
