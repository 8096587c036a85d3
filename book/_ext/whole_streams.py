"""What a cell prints comes as one piece, in one box of the page, as it does in the committed notebooks.

A kernel sends what it prints in pieces, cut where its clock says, and MyST-NB gives each piece a box. Its own setting
``nb_merge_streams`` puts a line break between pieces, also in the middle of a line.
"""

from functools import partial

import nbclient
from jupyter_cache.executors import utils


def setup(app):
    utils.executenb = partial(nbclient.execute, coalesce_streams=True)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
