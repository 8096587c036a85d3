"""A notebook's cell passes if the checks behind it do, too; ``tests/helpers/behind.py`` says what these are.

This file lies in the root, so that plain ``pytest --nbval book/`` has it.
"""

import pytest
from helpers.behind import after, call, checks

PATIENCE = 300  # seconds to wait for a kernel, as a busy machine is not a failure


class CheckFailed(Exception):
    """What stands behind a cell does not hold."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    result = yield
    if type(item).__name__ == "IPyNbCell":
        page = item.path.stem
        for cell_id in filter(checks(page).get, after(item.parent.nb, item.cell["id"])):
            run(item.parent.kernel.kc, call(page, cell_id))
    return result


def run(client, code: str) -> None:
    reply = client.execute_interactive(code, store_history=False, timeout=PATIENCE, output_hook=lambda _: None)
    if reply["content"]["status"] != "ok":
        raise CheckFailed("\n".join(reply["content"]["traceback"]))
