"""The page in a real browser: it draws, sorts, filters, answers, fits, and asks the network for nothing."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from report_example import (
    HOSTILE,
    check_names_made_no_elements,
    check_table_sorts_numbers,
    launched,
    make_report,
)

from spinfunnel.report.words import visible

pytestmark = pytest.mark.slow

SHOTS = Path(os.environ.get("SPINFUNNEL_SCREENSHOTS", "screenshots"))


@pytest.fixture(scope="module")
def browser():
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def file(report, tmp_path_factory):
    return report.html(tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture
def visit(browser):
    """Open a page; whatever it complains of or asks for is an error when the test ends."""
    contexts, complaints, asked = [], [], []

    def visit(file, *, width=1360, height=900, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(file.as_uri())
        page.add_style_tag(content="html { scroll-behavior: auto !important }")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert len([url for url in asked if url.startswith("file:")]) == len(contexts)


def finding(page):
    host = page.locator(".finding").first
    host.scroll_into_view_if_needed()
    page.wait_for_selector(".finding .detail .js-plotly-plot .main-svg")
    return host


def column(host, nth):
    return host.locator(f".list tbody td:nth-child({nth})").all_inner_texts()


def head(host, key):
    return host.locator(f".list th button[data-key={key}]")


def keep(page, name):
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


def colours_in(page, locator):
    """How many different colours a picture has, and the share of its commonest."""
    import io

    from PIL import Image

    image = Image.open(io.BytesIO(locator.screenshot())).convert("RGB")
    counts = sorted((n for n, _ in image.getcolors(1 << 20)), reverse=True)
    return len(counts), counts[0] / sum(counts)


def test_sorting_by_number(visit, file):
    host = finding(visit(file))
    assert column(host, 1)[0] == visible(HOSTILE[8]), "the worst row comes first"
    check_table_sorts_numbers(host)


def test_names_are_text_to_the_script_too(visit, file):
    page = visit(file)
    finding(page)
    check_names_made_no_elements(page)


def test_filter_by_text_and_by_label(visit, file):
    host = finding(visit(file))
    host.locator(".list input[type=search]").fill("SCRIPT>")
    assert len(column(host, 1)) == 2
    assert "1–2 of 2 (filtered from 12)" in host.locator(".pager output").first.inner_text()
    host.locator(".list input[type=search]").fill("no such")
    assert column(host, 1) == []
    host.locator(".list input[type=search]").fill("")
    host.locator(".tools button", has_text="cannot tell").first.click()
    assert len(column(host, 1)) == 1
    host.locator(".tools button", has_text="structured").first.click()
    assert len(column(host, 1)) == 10


def test_picking_a_row_redraws(visit, file):
    page = visit(file)
    host = finding(page)
    drawn = "() => document.querySelector('.detail .js-plotly-plot').data.map((t) => t.x.length)"
    before, title = page.evaluate(drawn), host.locator(".detail h4").first.inner_text()
    host.locator(".list tbody tr").nth(5).click()
    page.wait_for_selector(".finding .detail .js-plotly-plot .main-svg")
    assert host.locator(".detail h4").first.inner_text() == visible(HOSTILE[3]) != title
    page.wait_for_function(f"(before) => JSON.stringify(({drawn})()) !== JSON.stringify(before)", arg=before)
    assert host.locator("tr[aria-selected=true]").count() == 1
    host.locator(".list tbody tr").nth(5).press("ArrowDown")
    page.keyboard.press("Enter")
    assert host.locator(".detail h4").first.inner_text() == visible(HOSTILE[5])


def test_plots_are_drawn_and_answer(visit, file):
    page = visit(file)
    host = finding(page)
    for selector in (".detail .panel >> nth=0", ".detail .panel >> nth=1", ".wide .panel >> nth=0"):
        panel = host.locator(selector)
        panel.scroll_into_view_if_needed()
        panel.locator(".main-svg").first.wait_for()
        page.wait_for_timeout(300)
        colours, commonest = colours_in(page, panel.locator(".js-plotly-plot"))
        assert colours > 60, selector
        assert 0.4 < commonest < 0.97, selector
    plot = host.locator(".detail .js-plotly-plot").first
    plot.scroll_into_view_if_needed()
    read = "(node) => node._fullLayout.xaxis.range.slice()"
    before = plot.evaluate(read)
    box = plot.locator(".nsewdrag").first.bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.7 * box["height"], steps=8)
    page.mouse.up()
    page.wait_for_timeout(600)
    after = plot.evaluate(read)
    assert before[0] < after[0] < after[1] < before[1], "dragging zooms"


def test_ticks_of_a_short_logarithmic_axis_are_whole_numbers(visit, file):
    host = finding(visit(file))
    plot = host.locator(".detail .panel", has=host.page.locator("h4", has_text="tail")).locator(".plot")
    plot.locator(".ytick text").first.wait_for()
    low, high = plot.evaluate("(node) => node._fullLayout.yaxis.range.map((end) => 10 ** end)")
    ticks = [float(text) for text in plot.locator(".ytick text").all_text_contents()]
    assert len(ticks) >= 3
    assert all(low <= tick <= high for tick in ticks), "0.05, not a 5 alone"


def test_a_figure_can_be_kept_but_not_sent(visit, file):
    page = visit(file)
    host = finding(page)
    plot = host.locator(".detail .panel").first
    plot.hover()
    buttons = [one.get_attribute("data-title") for one in plot.locator(".modebar-btn").all()]
    assert buttons == ["Download plot", "Zoom", "Pan", "Zoom in", "Zoom out", "Reset axes"]
    with page.expect_download() as download:
        plot.locator(".modebar-btn").first.click()
    text = Path(download.value.path()).read_text()
    assert download.value.suggested_filename == "density of it.svg"
    assert text.startswith("<svg")
    assert "eigenvalues" in text


def test_points_that_stand_for_rows_name_and_pick_them(visit, file):
    page = visit(file)
    host = finding(page)
    points = host.locator(".wide .panel .points path.point")
    points.first.wait_for()
    box = points.nth(1).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector(".hovertext")
    assert HOSTILE[1] in page.locator(".hovertext").text_content(), "as text, whatever Plotly reads as HTML"
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert host.locator(".detail h4").first.inner_text() == HOSTILE[1]


def test_a_cell_of_the_strip_names_and_picks_its_matrix(visit, file):
    page = visit(file)
    cells = page.locator("#strip .cells").first.locator("i")
    assert cells.count() == len(HOSTILE)
    cells.nth(6).hover()
    assert visible(HOSTILE[6]) in page.locator("#tip").inner_text()
    cells.nth(6).click()
    host = finding(page)
    assert host.locator(".detail h4").first.inner_text() == visible(HOSTILE[6])
    assert host.locator("tr[aria-selected=true]").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1360])
def test_it_fits_and_is_kept(visit, file, width, scheme):
    page = visit(file, width=width, height=900, scheme=scheme)
    finding(page)
    for opened in page.locator("details").all():
        opened.evaluate("(node) => { node.open = true }")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, dark[4:-1].split(","))) < 150) == (scheme == "dark")
    page.evaluate("scrollTo(0, 0)")
    keep(page, f"summary-{width}-{scheme}")
    page.locator(".finding").first.evaluate("(node) => node.scrollIntoView()")
    page.wait_for_timeout(700)
    keep(page, f"finding-{width}-{scheme}")


def test_changing_to_dark_repaints_the_plots(visit, file):
    page = visit(file)
    finding(page)
    ink = "() => document.querySelector('.detail .js-plotly-plot').layout.font.color"
    before = page.evaluate(ink)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"(before) => ({ink})() !== before", arg=before)


@pytest.mark.parametrize("rows", [1, 500])
def test_few_and_many_rows(visit, tmp_path, rows):
    names = [f"model.layers.{i // 7}.block_{i % 7}.weight" for i in range(rows)]
    report = make_report(names, size=(24, 32))
    page = visit(report.html(tmp_path / "r.html"))
    host = finding(page)
    assert len(column(host, 1)) == min(rows, 20)
    if rows > 20:
        host.locator(".pager button", has_text="Next").first.click()
        assert "21–40 of 500" in host.locator(".pager output").first.inner_text()
        head(host, "name").click()
        assert [text.split(".")[-2] for text in column(host, 1)[6:8]] == ["0", "1"], "2 before 10"
    page.locator(".finding").first.evaluate("(node) => node.scrollIntoView()")
    page.wait_for_timeout(700)
    keep(page, f"rows-{rows}")


def test_every_kind_of_series_is_drawn(visit, report, tmp_path):
    import numpy as np

    from spinfunnel.core import Axis, Finding, Series

    x, y = np.linspace(1, 2, 5), np.linspace(1, 3, 5)
    three = (Axis("x"), Axis("y"), Axis("z"))
    series = (
        Series(x, y, low=y - 1, high=y + 1, kind="band", panel="band"),
        Series(x, np.array([1, 2, np.nan, 2, 1]), kind="tree", panel="tree"),
        Series(x, y, z=y, kind="scatter3d", axes=three, panel="scatter3d"),
        Series(x, y[:4], z=np.outer(y[:4], x), kind="surface", axes=three, panel="surface"),
        Series(x, y, panel="levels"),
        Series(x[:1], y[2:3], kind="hline", label="<i>above", panel="levels"),
    )
    odd = replace(report, findings={"f": Finding("f", "landscape", series=series)}, verdicts={})
    page = visit(odd.html(tmp_path / "r.html"), height=1600)
    page.wait_for_function("document.querySelectorAll('.js-plotly-plot').length === 6")
    page.wait_for_timeout(1500)
    for kind in ("band", "tree", "scatter3d", "surface"):
        panel = page.locator(".panel", has=page.locator("h4", has_text=kind)).first
        colours, _ = colours_in(page, panel.locator(".js-plotly-plot"))
        assert colours > 20, kind
    assert page.locator(".annotation-text").all_text_contents() == ["<i>above"]
    keep(page, "kinds")


def test_of_many_points_what_is_known_is_a_ribbon_with_gaps(visit, task_report, tmp_path):
    page = visit(task_report.html(tmp_path / "r.html"), width=1280)
    title = page.locator("h4", has_text="density of the Hessian")
    panel = page.locator(".panel", has=title)
    panel.scroll_into_view_if_needed()
    panel.locator(".main-svg").first.wait_for()
    filled = panel.locator(".plot").evaluate(
        """(node) => node.data.filter((trace) => trace.fill === "toself")
           .map((trace) => [trace.name, trace.y.filter((y) => y === null).length])"""
    )
    assert filled == [["seen", 1], ["mean", 2]], "one piece, and two around the gap"
    keep(page, "ribbon")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_path_lies_on_its_surface(visit, task_report, tmp_path, scheme):
    page = visit(task_report.html(tmp_path / "r.html"), width=1280, scheme=scheme)
    panel = in_space(page)
    kinds = "(node) => node.data.map((trace) => trace.type + ' ' + (trace.mode ?? ''))"
    drawn = panel.locator(".plot").evaluate(kinds)
    assert drawn == ["surface ", "scatter3d lines", "scatter3d markers"]
    colours, _ = colours_in(page, panel.locator(".js-plotly-plot"))
    assert colours > 500, "a surface has many shades"
    keep(page, f"path-{scheme}")
    above = page.get_by_role("img", name="plane of training, from above")
    above.scroll_into_view_if_needed()
    page.wait_for_function("(node) => node.data?.length === 3", arg=above.element_handle())
    assert above.evaluate(kinds) == ["contour ", "scatter lines", "scatter markers"]
    keep(page, f"above-{scheme}")


@pytest.fixture(scope="module")
def landscape(report, tmp_path_factory):
    """Inherent structures in space beside the same with energies permuted, a tree, and hostile labels."""
    import numpy as np

    from spinfunnel.core import Axis, Finding, Series

    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(2, 120))
    depth = np.hypot(x, y)
    ends = [Axis(name, low=-3.0, high=3.0) for name in ("one way", HOSTILE[1])]
    space = (*ends, Axis("energy per spin", low=-0.2, high=4.0))
    grid = np.linspace(-3, 3, 20)
    series = []
    for panel, z in (("funnel", depth), ("permuted", rng.permutation(depth))):
        for label, here in (
            (HOSTILE[0], x < 0),
            (HOSTILE[1], (x > 0) & (y > 0)),
            ("others", (x > 0) & (y < 0)),
        ):
            names = tuple(f"minimum <b>{i}</b>" for i in range(here.sum()))
            series.append(
                Series(
                    x[here],
                    y[here],
                    z=z[here],
                    label=label,
                    axes=space,
                    kind="scatter3d",
                    panel=panel,
                    names=names,
                )
            )
    bowl = np.hypot(*np.meshgrid(grid, grid))
    bowl[0] = np.nan
    series += [
        Series(grid, grid, z=bowl, axes=(*space[:2], Axis("E")), kind="surface", panel="surface"),
        Series(grid, grid, z=np.full((20, 20), np.nan), axes=space, kind="surface", panel="nothing"),
        Series(
            np.array([0, 0, 0.5, np.nan, 1, 1, 0.5]), np.array([-1, 0, 0.5, np.nan, -0.5, 0, 0.5]),
            label=HOSTILE[9], axes=(Axis(""), Axis("energy")), kind="tree", panel="tree",
        ),
        Series(
            10.0 ** np.arange(4), np.array([0.2, 0.4, 0.6, 0.9]), low=np.array([-0.1, 0.3, 0.5, 0.8]),
            high=np.array([0.3, 0.5, 0.7, 1.0]),
            axes=(Axis("cooling time", "log"), Axis("A", "log")), panel="A",
        ),
    ]  # fmt: skip
    found = Finding("minima", "landscape", series=tuple(series))
    odd = replace(report, findings={"minima": found}, verdicts={})
    return odd.html(tmp_path_factory.mktemp("landscape") / "r.html")


def in_space(page, nth=0):
    """A panel drawn in space, when it is: WebGL draws a moment after everything else."""
    panel = page.locator(".solid").nth(nth)
    panel.scroll_into_view_if_needed()
    panel.locator("canvas").first.wait_for()
    page.wait_for_timeout(1500)
    return panel


CAMERAS = """() => [...document.querySelectorAll('.compared .plot')].map((node) =>
    node._fullLayout.scene._scene.getCamera().eye)"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 700, 1280])
def test_pictures_in_space_are_drawn_and_fit(visit, landscape, width, scheme):
    page = visit(landscape, width=width, height=900, scheme=scheme)
    for nth in (0, 1, 2):
        canvas = in_space(page, nth).locator("canvas").first
        box = canvas.bounding_box()
        assert min(box["width"], box["height"]) > 180
        colours, commonest = colours_in(page, canvas)
        assert colours > 150, nth
        assert 0.3 < commonest < 0.97, nth
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    keep(page, f"landscape-{width}-{scheme}")


def test_compared_pictures_have_one_scale_and_turn_together(visit, landscape):
    page = visit(landscape, width=1280)
    first, second = in_space(page), in_space(page, 1)
    left, right = first.bounding_box(), second.bounding_box()
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"]
    ranges = page.evaluate(
        """() => [...document.querySelectorAll('.compared .plot')].map((node) =>
            ['xaxis', 'yaxis', 'zaxis'].map((axis) => node._fullLayout.scene[axis].range)
                .map((range) => range.map((end) => +end.toFixed(9))))"""
    )
    assert ranges == [[[-3, 3], [-3, 3], [-0.2, 4]]] * 2
    before, other = page.evaluate(CAMERAS)
    assert before == other
    box = first.locator("canvas").first.bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.5 * box["height"], steps=6)
    page.mouse.up()
    page.wait_for_timeout(1000)
    turned, too = page.evaluate(CAMERAS)
    assert abs(turned["x"] - before["x"]) > 0.1
    assert [too[k] == pytest.approx(turned[k], abs=1e-6) for k in "xyz"] == [True] * 3
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(1000)
    assert page.evaluate(CAMERAS)[0]["x"] == pytest.approx(turned["x"], abs=1e-6), "colours leave the view"


def test_the_wheel_turns_the_page_and_zooms_what_is_held(visit, landscape):
    page = visit(landscape, width=1280)
    box = in_space(page).locator("canvas").first.bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    before, at = page.evaluate(CAMERAS)[0], page.evaluate("scrollY")
    page.mouse.wheel(0, 40)
    page.wait_for_timeout(700)
    assert page.evaluate(CAMERAS)[0] == before
    assert page.evaluate("scrollY") != at
    page.mouse.down()
    page.mouse.up()
    at = page.evaluate("scrollY")
    page.mouse.wheel(0, 40)
    page.wait_for_timeout(700)
    assert page.evaluate(CAMERAS)[0] != before
    assert page.evaluate("scrollY") == at


def test_a_tree_has_no_ticks_below_it_and_labels_are_text(visit, landscape):
    page = visit(landscape, width=1280)
    tree = page.locator(".tall", has=page.locator("h4", has_text="tree"))
    tree.scroll_into_view_if_needed()
    tree.locator(".main-svg").first.wait_for()
    assert tree.locator(".xtick").count() == 0
    assert tree.locator(".ytick").count() > 2
    assert tree.locator(".legendtext").text_content() == HOSTILE[9]
    in_space(page)
    assert [one.text_content() for one in page.locator(".solid .legendtext").all()][:3] == [
        HOSTILE[0], HOSTILE[1], "others",
    ]  # fmt: skip
    assert page.locator("main img, main script, .finding b").count() == 0
    title = "() => document.querySelector('.solid .plot')._fullLayout.scene.yaxis.title.text"
    assert page.evaluate(title) == HOSTILE[1], "drawn as pixels, as it is"
    empty = page.locator(".panel", has=page.locator("h4", has_text="nothing"))
    assert "nothing finite" in empty.inner_text()


def test_without_webgl_there_is_a_picture_from_the_side(visit, landscape, browser):
    context = browser.new_context(viewport={"width": 900, "height": 900})
    page = context.new_page()
    page.add_init_script(
        """const get = HTMLCanvasElement.prototype.getContext;
        HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
            return kind.includes('webgl') ? null : get.call(this, kind, ...more); };"""
    )
    page.goto(landscape.as_uri())
    panel = page.locator(".solid").first
    panel.scroll_into_view_if_needed()
    panel.locator(".points path.point").first.wait_for()
    assert "no WebGL" in panel.inner_text()
    assert panel.locator(".points path.point").count() == 120
    assert panel.locator(".ytitle").text_content() == "energy per spin"
    context.close()


def test_printing_is_on_white(visit, file):
    page = visit(file, scheme="dark")
    finding(page)
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("nav").is_hidden()


def test_a_system_has_its_figures_and_no_tensors(visit, tmp_path):
    import spinfunnel as sf

    page = visit(sf.diagnose("system:sk", size=12, effort="quick").html(tmp_path / "r.html"), height=3000)
    page.wait_for_selector(".wide .js-plotly-plot .main-svg")
    assert page.locator("#tensors").count() == 0
    assert page.locator("section.chapter").count() == 1
    heat = page.locator(".finding", has=page.locator("h3", has_text="thermodynamics"))
    heat.locator("details.other summary").first.click()
    assert "±" in heat.locator(".other td.number").nth(1).inner_text()
    keep(page, "system")
