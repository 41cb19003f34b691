"""One peer of benchmarks.validation, alone in its process: `python -m benchmarks.validation_peer PEER FILE`."""

import json
import sys
from pathlib import Path

from benchmarks.validation import run_peer

if __name__ == "__main__":
    print(json.dumps(run_peer(sys.argv[1], Path(sys.argv[2]))))
