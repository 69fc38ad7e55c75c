"""Take the pictures of the documentation: HTML reports, as a browser shows them.

    python docs/screenshot.py                 # writes docs/images/*.png; needs playwright and a chromium
    python docs/screenshot.py task            # only those of a task: weights, systems, task

Every picture has its own light ground, so that it can be read on a dark page as well, and few colours, so
that it is small.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from instrument_pages import OF_A_TASK
from PIL import Image

import spinfunnel as sf

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
DEMO = ROOT / "src" / "spinfunnel" / "data" / "demo" / "half-frozen.safetensors"
WIDTH, MARGIN = 1200, 20
#: Figures alone: two in a row on a page so wide, with so many pixels for each of its own, in so many colours.
FIGURES = {"viewport": {"width": 980, "height": 2000}, "device_scale_factor": 1.4}
COLOURS = 256
#: Nothing lies over them, and there is a margin around them. After so many milliseconds they are drawn.
ALONE, READY = "nav { display: none } .wide { padding: 12px }", 5000
#: Puts the figures of these titles beside each other, at the head of a page.
SIDE_BY_SIDE = """titles => {
  const pair = Object.assign(document.createElement("div"), { id: "pair", className: "wide" });
  document.querySelector("main").prepend(pair);
  const all = [...document.querySelectorAll(".finding .wide > *")];
  pair.append(...titles.map((title) => all.find((one) => one.textContent.startsWith(title))));
}"""


def opened(browser: Any, report: sf.Report, name: str, *, alone: bool = False) -> Any:
    """Write a report, and open it, as a page or for its figures alone; those in view are drawn then."""
    view = FIGURES if alone else {"viewport": {"width": WIDTH, "height": 4000}}
    page = browser.new_page(color_scheme="light", **view)
    page.goto(report.html(f"{name}.html").resolve().as_uri())
    if alone:
        page.add_style_tag(content=ALONE)
    page.wait_for_timeout(READY)
    return page


def shown(element: Any) -> bytes:
    """Take an element, once what is in it is drawn: that begins when it comes into view."""
    element.scroll_into_view_if_needed()
    element.page.wait_for_timeout(READY)
    return bytes(element.screenshot())


def keep(picture: bytes, name: str) -> None:
    """Write a picture in few colours."""
    few = Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(IMAGES / f"{name}.png", optimize=True)


def beside(page: Any, titles: list[str], name: str) -> None:
    """Write the figures of these titles as one picture."""
    page.evaluate(SIDE_BY_SIDE, titles)
    keep(shown(page.locator("#pair")), name)


def weights(browser: Any) -> None:
    """The report on one of the demo's networks: its head, and the spectra of its layers."""
    shutil.copy(DEMO, "model.safetensors")  # so that the report names the model as a user would
    page = opened(browser, sf.diagnose("model.safetensors"), "report")
    chapter = page.locator("section.finding").first
    chapter.locator("td.name", has_text="dense2").click()
    page.wait_for_timeout(2500)
    strip, layers = page.locator("#strip").bounding_box(), chapter.bounding_box()
    end = strip["y"] + strip["height"] + MARGIN
    page.screenshot(path=IMAGES / "report.png", clip={"x": 0, "y": 0, "width": WIDTH, "height": end})
    box = {"x": 0, "y": layers["y"] - MARGIN, "width": WIDTH, "height": layers["height"] + 2 * MARGIN}
    page.screenshot(path=IMAGES / "layers.png", clip=box)


def systems(browser: Any) -> None:
    """A glass in equilibrium, and the funnel of a protein."""
    glass = sf.diagnose("system:sk", size=128, effort="quick", only=["thermodynamics", "overlaps"])
    page = opened(browser, glass, "glass", alone=True)
    beside(page, ["Heat capacity per spin", "Overlap distribution"], "system")
    page = opened(browser, sf.diagnose("system:go", size=25, effort="quick", only=["minima"]), "chain")
    (IMAGES / "funnel.png").write_bytes(shown(page.locator(".compared").first))


def task(browser: Any) -> None:
    """The figures of each instrument on two networks that are trained on digits; two of them for README."""
    sys.path.insert(0, str(ROOT / "examples"))
    import digits_mlp

    report = sf.compare(str(ROOT / "examples" / "digits_mlp.py"), digits_mlp.train(1), only=list(OF_A_TASK))
    page = opened(browser, report, "task", alone=True)
    for name in OF_A_TASK:
        figures = page.locator("section.finding", has=page.locator("h3", has_text=name)).locator(".wide")
        keep(shown(figures), f"task-{name}")
    beside(page, ["Plane of the training path", "Loss along the ways"], "task")


def main() -> None:
    """Take all, or those that are named."""
    from playwright.sync_api import sync_playwright

    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        os.chdir(folder)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for take in (weights, systems, task):
            if take.__name__ in (sys.argv[1:] or [take.__name__]):
                take(browser)
        browser.close()
        os.chdir(ROOT)


if __name__ == "__main__":
    main()
