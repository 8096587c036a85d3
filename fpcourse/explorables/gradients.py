"""there_and_back: a chain of six numbers computed forwards, and its gradients worked out backwards, step by step."""

from fpcourse import plots
from fpcourse.page.listing import Listing
from fpcourse.page.view import View

X, W, TARGET = 3, 2, 1
BIAS = {"open": -5, "shut": -7}
GATES = {"open": "open (b = −5)", "shut": "shut (b = −7)"}
LINES = """u = w * x
z = u + b
a = relu(z)
q = w * a
L = (q - 1) ** 2
L.grad = 1
q.grad += 2 * (q - 1) * L.grad
a.grad += w * q.grad
w.grad += a * q.grad
z.grad += (z > 0) * a.grad
u.grad += 1 * z.grad
b.grad += 1 * z.grad
w.grad += x * u.grad"""
LAST = len(LINES.splitlines())
MADE = "uzaqL"
PLACE = {"w": (4.2, -2), "x": (0.85, 2), "b": (2.92, 2)} | {name: (0.85 + 2.07 * at, 0) for at, name in enumerate(MADE)}
EDGES = (("w", "u"), ("x", "u"), ("u", "z"), ("b", "z"), ("z", "a"), ("a", "q"), ("w", "q"), ("q", "L"))
# The edge that each step of the way back goes along, and each result's inputs on the way forward.
BACK = {7: ("q", "L"), 8: ("a", "q"), 9: ("w", "q"), 10: ("z", "a"), 11: ("u", "z"), 12: ("b", "z"), 13: ("w", "u")}


def there_and_back(gate: str, step: int) -> View:
    b = BIAS[gate]
    u = W * X
    z = u + b
    a = max(z, 0)
    q = W * a
    values = {"x": X, "w": W, "b": b, "u": u, "z": z, "a": a, "q": q, "L": (q - TARGET) ** 2}
    slopes = dict(zip(EDGES, (X, None, 1, 1, int(z > 0), W, a, 2 * (q - TARGET)), strict=True))
    arrived: dict[str, list[int]] = {"L": [1]} if step > 5 else {}
    for at in range(7, step + 1):
        source, result = BACK[at]
        arrived.setdefault(source, []).append(slopes[BACK[at]] * sum(arrived[result]))
    known = {name: number for name, number in values.items() if name not in MADE[step:]}
    back = step > 5
    walked = [BACK[step]] if step > 6 else [edge for edge in EDGES if 0 < step < 6 and edge[1] == MADE[step - 1]]
    picture = plots.slopes_and_gradients(
        {
            name: plots.Number(
                place,
                f"{name} = {_number(values[name])}" if name in known else "",
                _gradient(arrived.get(name, [])),
                name in "wb",
            )
            for name, place in PLACE.items()
        },
        {
            edge: f"× {_number(slope)}" if slope is not None and edge[1] in known else ""
            for edge, slope in slopes.items()
        },
        walked,
        back,
    )
    line = LINES.splitlines()[step - 1] if step else ""
    gradients = [[name, sum(parts)] for name, parts in arrived.items()]
    return View(
        (picture, Listing(LINES, active=(step - 1,) if step else ())),
        caption=f"Step {step} of {LAST}: {_said(step, line, values, slopes, arrived)}".replace("-", "−"),
        alt=f"Boxes joined by arrows: w and x lead to u, u and b to z, z to a, a and w again to q, q to L. Computed: "
        f"{', '.join(f'{name} = {_number(number)}' for name, number in known.items())}. Gradients: "
        f"{', '.join(f'{name} {_number(number)}' for name, number in gradients) or 'none yet'}.",
        values={"known": [[name, number] for name, number in known.items()], "gradients": gradients},
    )


def _said(step: int, line: str, values: dict, slopes: dict, arrived: dict) -> str:
    if step == 0:
        return "w, x and b are given, and nothing is computed yet."
    if step < 6:
        name = MADE[step - 1]
        return f"{line}, which is {values[name]}."
    if step == 6:
        return "the way back begins. How fast does L change with L itself? By 1."
    source, result = BACK[step]
    new, arriving, slope = arrived[source][-1], sum(arrived[result]), slopes[BACK[step]]
    text = f"{arriving} arrived at {result}. The slope on the edge to {source} is {slope}, and "
    text += f"{slope} · {arriving} = {new}."
    if len(arrived[source]) > 1:
        text += f" {source} had {arrived[source][0]}, so it has {sum(arrived[source])} now."
    return text


def _gradient(parts: list[int]) -> str:
    if not parts:
        return ""
    total = _number(sum(parts))
    return f"grad {' + '.join(map(_number, parts))} = {total}" if len(parts) > 1 else f"grad {total}"


def _number(value: int) -> str:
    return str(value).replace("-", "−")
