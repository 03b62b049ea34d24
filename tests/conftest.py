"""What all tests share."""

import os
from collections.abc import Iterator

import hypothesis
import pytest

# The machines that test are slow and shared: a slow example is not a wrong one.
hypothesis.settings.register_profile("lgserve", deadline=None, print_blob=True)
hypothesis.settings.load_profile("lgserve")

_FOREIGN = ("PORT", "N_JOBS_PER_WORKER", "BG_JOB_TIMEOUT_SECS", "RESUMABLE_STREAM_TTL_SECONDS")


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    """Keep the settings of the person who runs the tests out of them, and out of their servers."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("LGSERVE_", "OTEL_")) or name in _FOREIGN:
                patch.delenv(name)
        yield
