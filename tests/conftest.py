"""What holds for all tests."""

import os

# Every core has a worker of pytest's; more threads would only get in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")
