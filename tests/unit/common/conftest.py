"""Property tests are about values, not time: a busy machine must not fail them."""

from hypothesis import settings

settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")
