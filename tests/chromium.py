"""A real Chromium, headless and without a word to anybody but the page under test."""

import base64
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

DRIVER, BROWSER = Path("/usr/bin/chromedriver"), Path("/usr/bin/chromium")

QUIET = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--no-proxy-server",
    "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip


def missing() -> str:
    """Why there can be no browser here, "" when there can."""
    absent = [str(path) for path in (DRIVER, BROWSER) if not path.exists()]
    return f"no Chromium: {' and '.join(absent)} missing (Debian's chromium and chromium-driver)" if absent else ""


@contextmanager
def chromium() -> Iterator[Chrome]:
    """One with an empty profile."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ChromeOptions()
        options.binary_location = str(BROWSER)
        for flag in (*QUIET, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = Chrome(options, Service(str(DRIVER), log_output=os.devnull))
        try:
            driver.set_page_load_timeout(30)
            yield driver
        finally:
            driver.quit()


def scheme(driver: Chrome, name: str) -> None:
    """Prefer light or dark."""
    features: list[dict[str, Any]] = [{"name": "prefers-color-scheme", "value": name}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def window(driver: Chrome, width: int, height: int) -> None:
    """A screen of that size, in CSS pixels."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def picture(driver: Chrome, path: Path, height: int | None = None) -> None:
    """The page as PNG: all of it, or its upper part."""
    size = driver.execute_script("return [innerWidth, document.documentElement.scrollHeight]")
    clip = {"x": 0, "y": 0, "width": size[0], "height": min(height or size[1], size[1]), "scale": 1}
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
    path.write_bytes(base64.b64decode(shot["data"]))
