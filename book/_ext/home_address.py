"""The book's home, one address in pyproject.toml, gives the buttons and links that lead there; unset, there are none.

    [project.urls]
    Repository = "https://github.com/OWNER/NAME"
    JupyterHub = "https://hub.example.org"

The second address is optional: a JupyterHub with nbgitpuller.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from sphinx.errors import ConfigError

BRANCH = "main"  # as in the publishing workflow
COLAB_BRANCH = "colab"  # what colab_notebooks writes; the publishing workflow pushes it
GITHUB = re.compile(r"https://github\.com/([\w-]+)/([\w.-]+?)(\.git)?/?")
HUB = re.compile(r"https?://[^\s/?#]+[^\s?#]*")


@dataclass(frozen=True)
class Home:
    owner: str
    name: str
    hub: str = ""

    @property
    def repository(self) -> str:
        return f"https://github.com/{self.owner}/{self.name}"

    @property
    def pages(self) -> str:
        """Where GitHub Pages serves the book, with a slash at the end."""
        host = f"{self.owner.lower()}.github.io"
        return f"https://{host}/" if self.name.lower() == host else f"https://{host}/{self.name}/"


def home(root: Path) -> Home | None:
    """The home that the project in this folder names, or None.

    Raises:
        ConfigError: an address of a form that the buttons cannot lead to.
    """
    file = Path(root) / "pyproject.toml"
    project = tomllib.loads(file.read_text(encoding="utf8")).get("project", {}) if file.exists() else {}
    urls = {label.lower(): address for label, address in project.get("urls", {}).items()}
    repository, hub = urls.get("repository"), urls.get("jupyterhub", "")
    if repository is None and not hub:
        return None
    github = GITHUB.fullmatch(repository or "")
    if not github:
        raise ConfigError(
            f'project.urls.Repository in pyproject.toml must read "https://github.com/OWNER/NAME"; it is {repository!r}'
        )
    if hub and not HUB.fullmatch(hub):
        raise ConfigError(
            f'project.urls.JupyterHub in pyproject.toml must read "https://HOST" or "https://HOST/PATH"; it is {hub!r}'
        )
    return Home(github[1], github[2], hub)


def set_options(app, config):
    if not (addresses := home(app.srcdir)):
        return
    config.html_baseurl = addresses.pages
    options = config.html_theme_options
    options |= {"repository_url": addresses.repository, "repository_branch": BRANCH, "use_edit_page_button": True}
    options["launch_buttons"] = options.get("launch_buttons", {}) | {
        "binderhub_url": "https://mybinder.org",
        "colab_url": "https://colab.research.google.com",
        "jupyterhub_url": addresses.hub,
    }


def open_on_colab(app, pagename, templatename, context, doctree):
    """Colab's notebooks have a cell of their own and a branch of their own; the theme knows one branch for all."""
    for group in context.get("header_buttons", ()):
        for button in group.get("buttons", ()):
            if button["text"] == "Colab":
                button["url"] = button["url"].replace(f"/blob/{BRANCH}/", f"/blob/{COLAB_BRANCH}/", 1)


def setup(app):
    app.connect("config-inited", set_options)
    app.connect("html-page-context", open_on_colab, priority=502)  # after the theme's, at 501
    return {"parallel_read_safe": True, "parallel_write_safe": True}
