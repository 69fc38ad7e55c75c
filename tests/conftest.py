"""One BLAS thread for all tests: small matrices on two threads are many times slower, and results vary."""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # read when numpy is first imported, after this file
