"""Pack a built book as one zip with a checksum beside it: python tools/offline.py [BUILT_FOLDER] [TARGET_FOLDER].

The same pages give the same bytes: files in order, one fixed time, no trace of the machine.
"""

import hashlib
import sys
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
THE_OLDEST_TIME = (1980, 1, 1, 0, 0, 0)  # that a zip can hold
AN_ORDINARY_FILE = 0o100644 << 16


def pack(built: Path, target: Path) -> Path:
    """Write NAME.zip, in which all lies under NAME/, and NAME.zip.sha256, as sha256sum checks it."""
    if not (built / "index.html").is_file():
        raise SystemExit(f"{built} holds no built book (it has no index.html): run `make book` first")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))["project"]
    name = f"the-forward-pass-{project['version']}"
    target.mkdir(parents=True, exist_ok=True)
    packed = target / f"{name}.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as zipped:
        for inside, file in sorted((file.relative_to(built).as_posix(), file) for file in built.rglob("*")):
            if file.is_file() and not any(part.startswith(".") for part in Path(inside).parts):
                entry = zipfile.ZipInfo(f"{name}/{inside}", THE_OLDEST_TIME)
                entry.create_system, entry.external_attr = 3, AN_ORDINARY_FILE
                zipped.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=9)
    digest = hashlib.sha256(packed.read_bytes()).hexdigest()
    packed.with_name(f"{packed.name}.sha256").write_text(f"{digest}  {packed.name}\n", encoding="utf8", newline="\n")
    return packed


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:]]
    built, target = given + [ROOT / "_build" / "html", ROOT / "dist"][len(given) :]
    packed = pack(built, target)
    print(f"{packed}: {packed.stat().st_size / 2**20:.1f} MiB, and its checksum beside it")
