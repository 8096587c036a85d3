"""Every notebook is executed again when fpcourse or the environment has changed, not only when it has itself."""

import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def fingerprint() -> str:
    """A hash of what the notebooks' outputs depend on besides the notebooks."""
    digest = hashlib.sha256()
    package = (path for path in (ROOT / "fpcourse").rglob("*") if path.suffix in {".py", ".js", ".css"})
    for path in [ROOT / "requirements.txt", *sorted(package)]:
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def setup(app):
    # "env": Sphinx reads, and so executes, all documents again when this value differs from the last build's.
    app.add_config_value("package_fingerprint", fingerprint(), "env", str)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
