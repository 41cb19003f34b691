"""Which of several workers asks for an address: all of a host's belong to one, so that its pace is one worker's."""

import hashlib
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Shard:
    """Number `number`, from 1, of `of` workers."""

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """A shard as it is written, `1/2`. Raises ValueError."""
        number, _, of = text.partition("/")
        if not (number.isdigit() and of.isdigit() and 1 <= int(number) <= int(of)):
            raise ValueError(f"{text!r} is no shard; give a number of several, as in 1/2")
        return cls(int(number), int(of))

    def owns(self, url: str) -> bool:
        """Whether an address is this worker's, by its host and port."""
        host = urlsplit(url).netloc.rpartition("@")[2].lower()
        return int.from_bytes(hashlib.sha256(host.encode()).digest()[:8]) % self.of == self.number - 1


ALL = Shard()
