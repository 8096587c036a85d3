"""The book's own extensions, in the order in which they act on a page.

Where two listen to the same event, or change the same nodes, the later one builds on the earlier. Numbers in the
modules (``default_priority``, ``priority=``) are for places among the extensions of others.
"""

PARTS = (
    # Before a page is read: kernels are static, and notebooks have run.
    "static_figures",
    "notebook_runs",
    # The text of a page: questions and exercises get their ids before cells get theirs; then links are resolved.
    "quizzes",
    "exercises",
    "progress_table",
    "cell_anchors",
    "interview_bank",
    "practice",
    "alt_texts",
    "static_maths",
    "predictions",
    "go_deeper",  # folds what all of the above have made
    "named_folds",
    "glossary_links",  # once links are resolved
    "lean_code",
    # What surrounds a page: addresses, its day, its scripts and styles. Scripts wait once all have been added.
    "home_address",
    "colab_notebooks",
    "last_updated",
    "search_texts",
    "descriptions",
    "lean_styles",
    "unmeasured_folds",
    "deferred_scripts",
    # Last, as it counts the warnings of all.
    "failed_stays_failed",
)


def setup(app):
    for part in PARTS:
        app.setup_extension(part)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
