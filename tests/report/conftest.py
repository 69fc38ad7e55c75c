import pytest
from report_example import HOSTILE, make_report


@pytest.fixture(scope="session")
def hostile():
    return HOSTILE


@pytest.fixture(scope="session")
def report():
    return make_report(HOSTILE)
