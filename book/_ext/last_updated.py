"""Each page ends with the day of the last commit that changed it, or a file that it includes.

Sphinx's own ``html_last_updated_fmt`` is the day of the build, on every page. sphinx-last-updated-by-git takes the
download of its notebook from each page where git is not installed. Where git cannot tell, no day is shown.
"""

import subprocess
from datetime import date
from pathlib import Path


def git(folder, *arguments: str) -> str:
    """What git answers, or nothing: without git, outside a repository, or in a clone without its history."""
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, encoding="utf8")
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def last_commits(folder) -> dict[str, date]:
    """For each file of the folder, by its path, the day of the last commit that changed it."""
    if git(folder, "rev-parse", "--is-shallow-repository") != "false":
        return {}
    days: dict[str, date] = {}
    log = git(folder, "-c", "core.quotePath=off", "log", "--format=@%cs", "--name-only", "--relative")
    for line in log.splitlines():
        if line.startswith("@"):
            day = date.fromisoformat(line[1:])
        elif line:
            days.setdefault(line, day)
    return days


def note_days(app, env):
    """Pages whose day has changed since the last build are written again, though their text has not."""
    commits = last_commits(app.srcdir)
    before, env.last_updated = getattr(env, "last_updated", {}), {}
    for page in env.found_docs:
        texts = [Path(app.srcdir, file) for file in (env.doc2path(page), *env.dependencies.get(page, ()))]
        files = [text.relative_to(app.srcdir).as_posix() for text in texts if text.is_relative_to(app.srcdir)]
        days = [commits[file] for file in files if file in commits]
        env.last_updated[page] = max(days, default=None)
    return [page for page, day in env.last_updated.items() if day != before.get(page)]


def show_day(app, page, template, context, doctree):
    day = app.env.last_updated.get(page)
    context["last_updated"] = f"{day.day} {day:%B %Y}" if day else None


def setup(app):
    app.connect("env-updated", note_days)
    app.connect("html-page-context", show_day)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
