"""A build with a warning is forgotten, so that the next one reads all pages again and meets the warning again.

Sphinx keeps what it has read, and does not repeat a warning about a page that has not changed: without this, the
second of two equal ``-W`` builds succeeds.
"""

from pathlib import Path


def forget_if_warned(app, exception):
    if exception or app._warncount:
        (Path(app.doctreedir) / "environment.pickle").unlink(missing_ok=True)


def setup(app):
    app.connect("build-finished", forget_if_warned)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
