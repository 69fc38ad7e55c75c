"""Take the pictures of README: the HTML report on a demo network, as a browser shows it.

python docs/screenshot.py    # writes docs/images/*.png; needs playwright and a chromium
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import spinfunnel as sf

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
DEMO = ROOT / "src" / "spinfunnel" / "data" / "demo" / "half-frozen.safetensors"
WIDTH, MARGIN = 1200, 20


def main() -> None:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        os.chdir(folder)  # so that the report names the model as a user would
        shutil.copy(DEMO, "model.safetensors")
        report = sf.diagnose("model.safetensors").html("report.html").resolve()
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": 3000}, color_scheme="light")
        page.goto(report.as_uri())
        chapter = page.locator("section.finding").first
        chapter.locator("td.name", has_text="dense2").click()
        page.wait_for_timeout(2500)  # until the plots are drawn
        IMAGES.mkdir(parents=True, exist_ok=True)
        strip, layers = page.locator("#strip").bounding_box(), chapter.bounding_box()
        assert strip
        assert layers
        end = strip["y"] + strip["height"] + MARGIN
        page.screenshot(path=IMAGES / "report.png", clip={"x": 0, "y": 0, "width": WIDTH, "height": end})
        box = {"x": 0, "y": layers["y"] - MARGIN, "width": WIDTH, "height": layers["height"] + 2 * MARGIN}
        page.screenshot(path=IMAGES / "layers.png", clip=box)
        glass = sf.diagnose("system:sk", size=128, only=["thermodynamics", "overlaps"])
        glass = glass.html("glass.html").resolve()
        page = browser.new_page(viewport={"width": WIDTH, "height": 4000}, color_scheme="light")
        page.goto(glass.as_uri())
        page.wait_for_timeout(4000)
        first, last = (page.locator("section.finding").nth(k).bounding_box() for k in (0, 1))
        assert first
        assert last
        end = last["y"] + last["height"]
        box = {"x": 0, "y": first["y"] - MARGIN, "width": WIDTH, "height": end - first["y"] + 2 * MARGIN}
        page.screenshot(path=IMAGES / "system.png", clip=box)
        chain = (
            sf.diagnose("system:go", size=25, effort="quick", only=["minima"]).html("chain.html").resolve()
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": 1200}, color_scheme="light")
        page.goto(chain.as_uri())
        space = page.locator(".compared").first
        space.scroll_into_view_if_needed()
        page.wait_for_timeout(4000)
        space.screenshot(path=IMAGES / "funnel.png")
        browser.close()
        os.chdir(ROOT)


if __name__ == "__main__":
    main()
