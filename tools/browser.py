"""The browser of the tests: python tools/browser.py gets one, if this machine has none.

What is installed comes first, then Playwright's own, then Debian's.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Error, Playwright, sync_playwright

# The shell first: the same engine without a browser's windows, for less than half of the work.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# Without a sandbox: in a container, or as root, Chromium has none.
FLAGS = ["--no-sandbox", "--disable-gpu"]


def installed_browser() -> str | None:
    """The Chromium or Chrome on this machine's path."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def launch_options(playwright: Playwright) -> dict:
    """How Playwright starts the browser: from the path, else its own, else where Chrome installs itself."""
    if path := installed_browser():
        return {"executable_path": path}
    return {} if Path(playwright.chromium.executable_path).exists() else {"channel": "chrome"}


def starts() -> bool:
    with sync_playwright() as playwright:
        try:
            playwright.chromium.launch(args=FLAGS, **launch_options(playwright)).close()
        except Error:
            return False
    return True


def succeeds(*command: str) -> bool:
    print("+", *command, flush=True)
    return subprocess.run(command).returncode == 0


def install() -> bool:
    """Whether a browser could be had."""
    if succeeds(sys.executable, "-m", "playwright", "install", "chromium") and starts():
        return True
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return False
    debian = succeeds("apt-get", "update") and succeeds("apt-get", "install", "-y", "chromium-headless-shell")
    return debian and starts()


if __name__ == "__main__":
    if not starts() and not install():
        sys.exit(
            "The tests need a Chromium or Chrome, and none could be fetched. Install one, for example with\n"
            f"    sudo {sys.executable} -m playwright install --with-deps chromium"
        )
