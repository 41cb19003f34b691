"""Runs a program that knows nothing of its parent, and ends it with the parent: `python -m pipelines.guard PROGRAM …`.

The parent holds this process's stdin; when it closes, however that came about, the program is killed.
"""

import os
import signal
import subprocess
import sys
import threading


def main() -> int:
    program = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, lambda *_: program.terminate())
    threading.Thread(target=_kill_with_stdin, args=(program,), daemon=True).start()
    return program.wait()


def _kill_with_stdin(program: subprocess.Popen[bytes]) -> None:
    while os.read(0, 4096):
        pass
    program.kill()


if __name__ == "__main__":
    sys.exit(main())
