"""Scripts wait until the page has been read, so that none holds up the first paint."""


def defer(app, pagename, templatename, context, doctree):
    for script in context.get("script_files", []):
        # Some do not wait: what sets options in the page, and on the search page what its own scripts build on.
        script.attributes.pop("defer", None)  # all pages share these objects
        if script.filename and not str(script.filename).endswith("_options.js") and pagename != "search":
            script.attributes["defer"] = "defer"


def setup(app):
    app.connect("html-page-context", defer, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
