"""The packed book: one zip with its checksum, the same bytes each time, and pages that work wherever it is unzipped."""

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile

import pytest
from helpers.built_book import ROOT, wait_until_ready
from playwright.sync_api import expect

NAME = f"the-forward-pass-{tomllib.loads((ROOT / 'pyproject.toml').read_text(encoding='utf8'))['project']['version']}"


def pack(built, target) -> subprocess.CompletedProcess:
    command = [sys.executable, ROOT / "tools/offline.py", built, target]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def packed(html, tmp_path_factory):
    target = tmp_path_factory.mktemp("packed") / "dist"
    done = pack(html, target)
    assert done.returncode == 0, done.stderr
    return target


def test_the_checksum_is_the_zips_own(packed):
    assert sorted(file.name for file in packed.iterdir()) == [f"{NAME}.zip", f"{NAME}.zip.sha256"]
    digest = hashlib.sha256((packed / f"{NAME}.zip").read_bytes()).hexdigest()
    assert (packed / f"{NAME}.zip.sha256").read_bytes() == f"{digest}  {NAME}.zip\n".encode()


def test_it_holds_every_file_of_the_book_in_one_folder(packed, html):
    with zipfile.ZipFile(packed / f"{NAME}.zip") as zipped:
        names = zipped.namelist()
        assert zipped.testzip() is None
    assert names == sorted(names)
    files = [file.relative_to(html).as_posix() for file in html.rglob("*") if file.is_file()]
    assert set(names) == {f"{NAME}/{file}" for file in files if not file.startswith(".")}


def test_the_same_pages_give_the_same_bytes(tmp_path):
    digests = []
    for order in ("ab", "ba"):
        built = tmp_path / order
        built.mkdir()
        for name in order:
            (built / f"{name}.html").write_text(name, encoding="utf8")
        (built / "index.html").write_text("index", encoding="utf8")
        (built / ".buildinfo").write_text(order, encoding="utf8")
        os.utime(built / "index.html", (1e9, 1e9 + len(digests) * 1e6))
        (built / "a.html").chmod(0o600 if digests else 0o644)
        assert pack(built, tmp_path / "dist").returncode == 0
        digests.append((tmp_path / "dist" / f"{NAME}.zip.sha256").read_text(encoding="utf8"))
    assert digests[0] == digests[1]


def test_without_a_built_book_it_says_what_to_do(tmp_path):
    done = pack(tmp_path, tmp_path / "dist")
    assert done.returncode == 1
    assert "no index.html" in done.stderr and "`make book`" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "dist").exists()


def test_unzipped_anywhere_its_pages_work(packed, tmp_path, browser):
    folder = tmp_path / "Übung am Gerät 100% #1"
    shutil.unpack_archive(packed / f"{NAME}.zip", folder)
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    requests, errors = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("requestfailed", lambda request: errors.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto((folder / NAME / "index.html").as_uri())
    page.wait_for_url("**/book/00_start.html")
    wait_until_ready(page)

    page.locator(".fp-network canvas").last.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".fp-network mark")).to_have_text("z1 = self.layer1(x)")

    page.locator("nav a", has_text="What the forward pass does").first.click()
    page.wait_for_url("**/book/01_forward_pass.html")
    figure = page.locator(".fp-explore").first
    before = figure.locator(".fp-values").text_content()
    figure.locator("input[type=range]").first.focus()
    page.keyboard.press("ArrowRight")
    expect(figure.locator(".fp-values")).not_to_have_text(before)
    assert page.locator("article .fp-view svg").first.is_visible()
    assert all(url.startswith((folder / NAME).as_uri()) for url in requests), requests
    assert errors == []
    context.close()
