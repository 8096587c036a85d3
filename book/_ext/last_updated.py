"""Each page ends with the last commit that changed it, or a file that it includes: its day and its hash.

Sphinx's own ``html_last_updated_fmt`` is the day of the build, on every page. sphinx-last-updated-by-git takes the
download of its notebook from each page where git is not installed. Where git cannot tell, nothing is shown.
"""

import subprocess
from datetime import UTC, datetime
from pathlib import Path


def git(folder, *arguments: str) -> str:
    """What git answers, or nothing: without git, outside a repository, or in a clone without its history."""
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, encoding="utf8")
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def last_commits(folder) -> dict[str, tuple[int, str]]:
    """For each file of the folder, by its path, the time and the hash of the last commit that changed it."""
    if git(folder, "rev-parse", "--is-shallow-repository") != "false":
        return {}
    commits: dict[str, tuple[int, str]] = {}
    log = git(folder, "-c", "core.quotePath=off", "log", "--format=@%ct %h", "--name-only", "--relative")
    for line in log.splitlines():
        if line.startswith("@"):
            time, commit = line[1:].split()
        elif line:
            commits.setdefault(line, (int(time), commit))
    return commits


def note_commits(app, env):
    """Pages whose commit is not that of the last build are written again, though their text has not changed."""
    commits = last_commits(app.srcdir)
    before, env.last_updated = getattr(env, "last_updated", {}), {}
    for page in env.found_docs:
        texts = [Path(app.srcdir, file) for file in (env.doc2path(page), *env.dependencies.get(page, ()))]
        files = [text.relative_to(app.srcdir).as_posix() for text in texts if text.is_relative_to(app.srcdir)]
        env.last_updated[page] = max((commits[file] for file in files if file in commits), default=None)
    return [page for page, commit in env.last_updated.items() if commit != before.get(page)]


def show_commit(app, page, template, context, doctree):
    if commit := app.env.last_updated.get(page):
        time, name = commit
        day = datetime.fromtimestamp(time, UTC)
        context["last_updated"] = f"{day.day} {day:%B %Y}, commit {name}"
    else:
        context["last_updated"] = None


def setup(app):
    app.connect("env-updated", note_commits)
    app.connect("html-page-context", show_commit)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
