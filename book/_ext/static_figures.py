"""In the build of the book fpcourse's figures are static, and their style sheet is on every page."""

import os
from importlib.resources import files


def setup(app):
    # The kernels that execute the notebooks inherit this process's environment.
    os.environ["FPCOURSE_STATIC"] = "1"
    app.connect("builder-inited", add_style)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def add_style(app):
    app.config.html_static_path.append(str(files("fpcourse.page") / "assets" / "views.css"))
    app.add_css_file("views.css")
