"""Take the picture in README: the HTML report on a demo network, as a browser shows it.

    python docs/screenshot.py    # writes docs/images/report.png; needs playwright and a chromium
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import spinfunnel as sf

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "report.png"
DEMO = ROOT / "src" / "spinfunnel" / "data" / "demo" / "half-frozen.safetensors"


def main() -> None:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        model = Path(shutil.copy(DEMO, Path(folder, "model.safetensors")))
        page_file = sf.diagnose(model).html(Path(folder, "report.html"))
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--force-color-profile=srgb"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 1000}, color_scheme="light")
        page.goto(page_file.as_uri())
        page.wait_for_timeout(2000)  # until the plots are drawn
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
