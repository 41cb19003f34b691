"""`python -m cvat.embedded`: see `--help`."""

import logging
import os
import sys

from cvat.embedded.server import serve
from cvat.embedded.settings import read_settings
from datasets.errors import CarloopError


def main() -> int:
    """Serve; gives the exit code."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        serve(read_settings(sys.argv[1:], os.environ))
    except CarloopError as error:
        print(f"cvat.embedded: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
