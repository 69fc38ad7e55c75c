import math

import numpy as np
import pytest

from spinfunnel.core import (
    BadInput,
    CalibrationRow,
    Finding,
    Number,
    Table,
    seeds,
    significant,
)


def test_a_number_says_what_is_unknown():
    assert str(Number(math.nan)) == "unknown"
    assert str(Number(2.5, low=2.0, level=0.95)) == "2.500 (at least 2.000)"
    assert str(Number(2.5, high=3.0)) == "2.500 (at most 3.000)"
    assert str(Number(2.5, low=2.5, unit="|w|")) == "at least 2.500 |w|"
    assert str(Number(1.0, low=1.0, high=1.0)) == "1.000"
    assert str(Number(0.0, error=3e-17)) == "0 ± 3e-17"
    assert str(Number(3.947159, error=2e-6)) == "3.947159 ± 0.000002"
    assert str(Number(12.0, error=0.4, unit="ms")) == "12.0 ± 0.4 ms"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1e-7, "1.000e-07"), (-12.3456, "-12.35"), (3e12, "3.000e+12"), (math.inf, "∞")],
)
def test_numbers_are_written_to_four_places(value, text):
    assert significant(value) == text


def test_tables_need_columns_of_equal_length():
    with pytest.raises(ValueError, match="equally long"):
        Table({"name": np.array(["a"]), "x": np.zeros(2)})


def test_rows_that_lack_a_text_get_an_empty_one_and_keep_their_parts_in_the_name():
    table = Table.of([{"name": "a", "part": "query", "x": 1.0}, {"name": "b", "word": "w"}])
    assert table.row_names() == ["a[query]", "b"]
    assert table.rows()[0]["word"] == ""
    assert math.isnan(table.rows()[1]["x"])


def test_an_unknown_table_is_an_error_that_lists_those_there_are():
    finding = Finding("spectrum", "learned", tables={"layers": Table({"name": np.array(["a"])})})
    assert list(finding.table("layers")["name"]) == ["a"]
    with pytest.raises(BadInput, match="it has: layers"):
        finding.table("layer")


def test_seeds_depend_on_every_name_and_fill_64_bits():
    many = {seeds(0, "a", i) for i in range(1000)}
    assert len(many) == 1000
    assert max(many) > 2**63
    assert seeds(0, "ab", "c") != seeds(0, "a", "bc")


def test_a_value_row_needs_an_error_bar_below_its_cap():
    good = CalibrationRow.measured("x", "s", "q", exact=1.0, value=1.02, error=0.02, cap=0.03)
    assert good.ok
    assert good.sigma == pytest.approx(1.0)
    assert not CalibrationRow.measured("x", "s", "q", exact=1.0, value=1.02, error=0.2, cap=0.03).ok
    assert not CalibrationRow.measured("x", "s", "q", exact=1.0, value=1.0, error=0.0, cap=0.03).ok


def test_a_rate_row_is_one_sided():
    assert CalibrationRow.rate("x", "s", "q", k=4, n=100, at_most=0.04).ok
    assert not CalibrationRow.rate("x", "s", "q", k=5, n=100, at_most=0.04).ok
    assert not CalibrationRow.rate("x", "s", "q", k=94, n=100, at_least=0.95).ok
    with pytest.raises(ValueError, match="exactly one"):
        CalibrationRow.rate("x", "s", "q", k=1, n=2)


def test_an_exact_row_has_a_tolerance():
    assert CalibrationRow.deterministic("x", "s", "q", exact=1, value=1 + 1e-9, tolerance=1e-8).ok
    assert not CalibrationRow.deterministic("x", "s", "q", exact=1, value=1.1, tolerance=1e-8).ok
