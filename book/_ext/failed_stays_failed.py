"""A build with a warning is forgotten, so that the next one reads all pages again and meets the warning again.

Sphinx keeps what it has read, and does not repeat a warning about a page that has not changed: without this, the
second of two equal ``-W`` builds succeeds.
"""

from pathlib import Path


def forget_if_warned(app, env_or_exception):
    if isinstance(env_or_exception, Exception) or app._warncount:
        (Path(app.doctreedir) / "environment.pickle").unlink(missing_ok=True)


def setup(app):
    # Once after reading, as a build that is interrupted while writing never finishes.
    app.connect("env-check-consistency", forget_if_warned)
    app.connect("build-finished", forget_if_warned)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
