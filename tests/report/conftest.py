import pytest
from report_example import HOSTILE, make_report
from task_example import make_task_report


@pytest.fixture(scope="session")
def hostile():
    return HOSTILE


@pytest.fixture(scope="session")
def report():
    return make_report(HOSTILE)


@pytest.fixture(scope="session")
def task_report():
    return make_task_report()
