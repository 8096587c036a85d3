"""Settings for all tests."""

import os

from hypothesis import settings

# The workers already fill the machine: threads of torch in each of them would wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# No deadline: a busy machine is not a failure.
settings.register_profile("course", deadline=None, max_examples=25)
settings.load_profile("course")
