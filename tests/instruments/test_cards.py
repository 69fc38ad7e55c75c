"""Cards are read in a terminal: what an instrument of a task does, and how it judges, fits on its screen."""

import textwrap

import pytest

from spinfunnel.instruments import NAMES, instrument

OF_TASKS = [name for name in NAMES if not instrument(name).needs.isdisjoint({"loss", "gradient", "history"})]


@pytest.mark.parametrize("name", OF_TASKS)
def test_how_it_judges_is_eight_lines_at_most(name):
    one = instrument(name)
    assert 1 <= len(textwrap.wrap(one.judged, 98)) <= 8
    assert len(textwrap.wrap(one.what, 98)) <= 5
    assert len(textwrap.wrap(one.why, 98)) <= 3
