"""Settings for all tests."""

from hypothesis import settings

# No deadline: a busy machine is not a failure.
settings.register_profile("course", deadline=None)
settings.load_profile("course")
