"""What a built page weighs: python tools/weight.py book/04_autograd.html lists its sections and the files it names.

All weights are compressed. A section's is what it takes alone; together they take less, as a page is compressed whole.
"""

import gzip
import sys
from pathlib import Path
from urllib.parse import unquote, urlparse

from bs4 import BeautifulSoup
from refresh import ROOT


def compressed(data: bytes) -> float:
    """In KiB."""
    return len(gzip.compress(data)) / 1024


def report(page: Path) -> str:
    """A line for the page, for each of its sections, and for each file that its HTML names; the heaviest first."""
    html = BeautifulSoup(page.read_bytes(), "html.parser")
    sections = {f"#{part['id']}": str(part).encode() for part in html.select("article section section")}
    addresses = [tag.get("href") or tag.get("src") for tag in html.select("link[href], script[src], img[src]")]
    files = {page.parent / unquote(urlparse(address).path) for address in addresses if not urlparse(address).scheme}
    loaded = {file.name: file.read_bytes() for file in files if file.is_file() and file.suffix != ".html"}
    parts = [(name, compressed(data)) for name, data in (sections | loaded).items()]
    rows = [(page.name, compressed(page.read_bytes())), *sorted(parts, key=lambda part: -part[1])]
    return "\n".join(f"{size:7.1f} KiB  {name}" for name, size in rows)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(report(ROOT / "_build" / "html" / name))
