"""How quick the built pages are: python tools/benchmarks/pages.py writes pages.md beside it.

Each page in Lighthouse, on a simulated phone; and each figure with controls, from a change until its paint.

Needs Node's npx and a Chromium or Chrome; the book must have been built. The pages are served as a host does that
compresses: by a server of this process, on this machine.
"""

import datetime
import functools
import gzip
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tools")]

from browser import FLAGS, installed_browser  # noqa: E402
from helpers import built_book  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

RESULT = Path(__file__).with_suffix(".md")
LIGHTHOUSE = "lighthouse@12.8.2"
SCORES = ("performance", "accessibility", "best-practices", "seo")
HEADER = ("page", *SCORES, "largest paint, s", "blocked, ms", "KiB", "requests", "elements", "host")

# The median of 100 changes, from the input event until after the next frame; frames come every 16.7 ms.
CHANGE_TO_PAINT = """async (input) => {
  const [low, high, step] = [input.min, input.max, input.step || 1].map(Number);
  const times = [];
  for (let i = 0; i < 100; i += 1) {
    input.value = low + step * (i % (Math.floor((high - low) / step) + 1));
    await new Promise(requestAnimationFrame);
    const begin = performance.now();
    input.dispatchEvent(new Event("input", {bubbles: true}));
    await new Promise(requestAnimationFrame);
    // The message comes after the frame has been painted.
    await new Promise((done) => {
      const channel = new MessageChannel();
      channel.port1.onmessage = done;
      channel.port2.postMessage(0);
    });
    times.push(performance.now() - begin);
  }
  return times.sort((a, b) => a - b)[50].toFixed(1);
}"""


class Compressing(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        file = Path(self.translate_path(self.path))
        if not file.is_file():
            self.send_error(404)
            return
        data = gzip.compress(file.read_bytes())
        self.send_response(200)
        for name, value in {
            "Content-Type": self.guess_type(str(file)),
            "Content-Encoding": "gzip",
            "Content-Length": str(len(data)),
            "Cache-Control": "max-age=600",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


def pages() -> list[str]:
    """The start page and the chapters."""
    return [page for page in built_book.pages() if (ROOT / page).with_suffix(".ipynb").exists()]


def lighthouse(address: str, browser: str) -> dict:
    """Lighthouse's report on one page, with its own settings for a phone."""
    flags = "--headless=new --no-sandbox --disable-gpu --no-first-run --disable-background-networking"
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = ["npx", "--yes", LIGHTHOUSE, address, "--quiet", f"--chrome-flags={flags}", "--output=json"]
        subprocess.run(
            [*command, f"--output-path={report}"], check=True, cwd=folder, env={**os.environ, "CHROME_PATH": browser}
        )
        return json.loads(report.read_text(encoding="utf8"))


def paints(address: str, browser: str) -> list[list[str]]:
    """The first slider of each figure, every one of the network, and the milliseconds from a change until the paint."""
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=browser, args=FLAGS) as chromium:
        page = chromium.new_page()
        page.goto(address)
        built_book.wait_until_ready(page)
        page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
        rows = []
        for figure in page.locator(".fp-explore:has(input[type=range]), .fp-network").all():
            name = figure.get_attribute("id").removeprefix("explore-")
            sliders = figure.locator("input[type=range]").all()
            for slider in sliders if name == "network" else sliders[:1]:
                label = slider.evaluate("({labels: [label]}) => (label.querySelector('b') ?? label).textContent.trim()")
                rows.append([f"{name}, {label}", slider.evaluate(CHANGE_TO_PAINT)])
        return rows


def row(page: str, report: dict) -> list[str]:
    number = {name: audit.get("numericValue") for name, audit in report["audits"].items()}
    return [
        page.removeprefix("book/").removesuffix(".html"),
        *(f"{100 * report['categories'][name]['score']:.0f}" for name in SCORES),
        f"{number['largest-contentful-paint'] / 1000:.1f}",
        f"{number['total-blocking-time']:.0f}",
        f"{number['total-byte-weight'] / 1024:.0f}",
        str(len(report["audits"]["network-requests"]["details"]["items"])),
        f"{number['dom-size']:.0f}",
        f"{report['environment']['benchmarkIndex']:.0f}",
    ]


def table(header: Sequence[str], rows: list[list[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def text(rows: list[list[str]], version: str) -> str:
    return f"""\
Measured on {datetime.date.today():%d %B %Y} with `make bench`: Lighthouse {version}, one run a page on a simulated
phone with a slow connection, the pages served compressed from the same machine. KiB as sent, with all
that a page loads. Host is Lighthouse's index of how fast the machine was at that time: it warns of one of 1,000 or
less, which gives a page a lower score.

{table(HEADER, rows)}
"""


def main() -> None:
    browser = installed_browser()
    if not browser or not shutil.which("npx") or not built_book.HTML.is_dir():
        sys.exit("Lighthouse was not run: it needs npx (Node), a Chromium or Chrome, and the built book (make book).")
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Compressing, directory=built_book.HTML)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    rows, changes, version = [], [], ""
    for page in pages():
        address = f"http://127.0.0.1:{server.server_port}/{page}"
        report = lighthouse(address, browser)
        rows.append(row(page, report))
        version = report["lighthouseVersion"]
        print(*rows[-1])
        changes += paints(address, browser)
    server.shutdown()
    RESULT.write_text(
        f"{text(rows, version)}\n{table(('figure, slider', 'change to paint, ms'), changes)}\n", encoding="utf8"
    )
    print(RESULT)


if __name__ == "__main__":
    main()
