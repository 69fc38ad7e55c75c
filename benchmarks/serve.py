"""Time jobs in a process that stays: a name comes in, the CPU seconds it took go out.

Imports and loading are done before, on every side alike. Standard library only: rivals import it too.
"""

import os
import sys
import time


def serve(jobs):
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a rival prints is not an answer
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        job = jobs[line.strip()]
        start = time.process_time()
        job()
        print(time.process_time() - start, file=answers, flush=True)
