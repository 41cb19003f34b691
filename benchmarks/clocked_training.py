"""A training like `training.worker`'s, whose passes are clocked: `python -m benchmarks.clocked_training OUT JOB`."""

import sys
from pathlib import Path

from benchmarks.model_clock import ModelClock, clock_networks
from datasets.files import write_json
from training.worker import main

if __name__ == "__main__":
    clock = ModelClock()
    clock_networks(clock)
    main(Path(sys.argv[2]))
    write_json(Path(sys.argv[1]), clock.read())
