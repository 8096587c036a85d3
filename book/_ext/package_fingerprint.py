"""Every page is read, and so executed, again when what it depends on has changed, not only when it has itself."""

import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("fpcourse", "book/_ext", "book/_static")


def fingerprint() -> str:
    """A hash of what the pages depend on besides their own text."""
    digest = hashlib.sha256()
    found = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))
    files = (path for path in found if path.suffix in {".py", ".js", ".css"} and path.is_file())
    for path in [ROOT / "requirements.txt", *sorted(files)]:
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def setup(app):
    # "env": Sphinx reads, and so executes, all documents again when this value differs from the last build's.
    app.add_config_value("package_fingerprint", fingerprint(), "env", str)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
