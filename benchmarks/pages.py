"""How the built pages do in Lighthouse, on a simulated phone: python benchmarks/pages.py writes benchmarks/pages.md.

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
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tools")]

from browser import installed_browser  # noqa: E402
from helpers import built_book  # noqa: E402

RESULT = ROOT / "benchmarks" / "pages.md"
LIGHTHOUSE = "lighthouse@12.8.2"
SCORES = ("performance", "accessibility", "best-practices", "seo")
HEADER = ("page", *SCORES, "largest paint, s", "blocked, ms", "KiB", "requests")


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
    return [page for page in built_book.pages() if page.startswith("book/0")]


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


def row(page: str, report: dict) -> list[str]:
    number = {name: audit.get("numericValue") for name, audit in report["audits"].items()}
    return [
        page.removeprefix("book/").removesuffix(".html"),
        *(f"{100 * report['categories'][name]['score']:.0f}" for name in SCORES),
        f"{number['largest-contentful-paint'] / 1000:.1f}",
        f"{number['total-blocking-time']:.0f}",
        f"{number['total-byte-weight'] / 1024:.0f}",
        str(len(report["audits"]["network-requests"]["details"]["items"])),
    ]


def text(rows: list[list[str]], version: str) -> str:
    lines = [HEADER, ["---", *["---:"] * (len(HEADER) - 1)], *rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"""\
Measured on {datetime.date.today():%d %B %Y} with `make bench`: Lighthouse {version}, one run a page on a simulated
phone with a slow connection, the pages served compressed from the same machine. KiB as sent, with all
that a page loads.

{table}
"""


def main() -> None:
    browser = installed_browser()
    if not browser or not shutil.which("npx") or not built_book.HTML.is_dir():
        sys.exit("Lighthouse was not run: it needs npx (Node), a Chromium or Chrome, and the built book (make book).")
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Compressing, directory=built_book.HTML)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    rows, version = [], ""
    for page in pages():
        report = lighthouse(f"http://127.0.0.1:{server.server_port}/{page}", browser)
        rows.append(row(page, report))
        version = report["lighthouseVersion"]
        print(*rows[-1])
    server.shutdown()
    RESULT.write_text(text(rows, version), encoding="utf8")
    print(RESULT)


if __name__ == "__main__":
    main()
