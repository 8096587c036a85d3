"""What a trace costs in time, beside other tools: python tools/benchmarks/tracing.py writes tracing.md beside it.

Each tool runs in a process of its own, so that none is timed with what another one has imported or patched; each
process also times the bare forward pass and the least hooks, as memory lies differently in each. All are timed in one
run, in turns, a few calls a round. Models are in eval mode, under no_grad, on one thread.
"""

import datetime
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

RESULT = Path(__file__).with_suffix(".md")
ROUNDS = 20
CALLS = 5  # timed calls a tool and round, after one that is not timed
SLOW = 0.05  # seconds; a tool that takes longer makes one call a round
PEERS = ("torchinfo", "torchview", "torchlens", "FlopCounterMode")
TOOLS = ("trace", "trace, NumPy", *PEERS)
MODELS = ("ClinicalMLP, batch 16", "ClinicalMLP, batch 4096", "MLP of 100 layers", "tiny BERT", "tiny GPT-2")
GROWTH = (10, 100, 1000)
GROWN = tuple(f"MLP of {layers} layers" for layers in GROWTH)


def workload(name: str) -> tuple:
    """The model in eval mode, and the arguments by place and by name."""
    import torch

    from fpcourse.models import ClinicalMLP, mlp

    torch.manual_seed(0)
    if name.startswith("ClinicalMLP"):
        return ClinicalMLP().eval(), (torch.randn(int(name.split()[-1]), 20),), {}
    if name.startswith("MLP"):
        return mlp([256] * (int(name.split()[2]) + 1)).eval(), (torch.randn(16, 256),), {}
    import transformers

    sizes = {"vocab_size": 1000, "bos_token_id": None, "eos_token_id": None}
    if name == "tiny BERT":
        config = transformers.BertConfig(
            hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=512, **sizes
        )
        model = transformers.BertModel(config)
    else:
        model = transformers.GPT2Model(transformers.GPT2Config(n_embd=128, n_layer=2, n_head=2, **sizes))
    return model.eval(), (), {"input_ids": torch.randint(1000, (4, 32))}


def tool(name: str) -> Callable:
    """A function of a model and its arguments that does what this tool does."""
    import torch

    if name == "bare":
        return lambda model, args, kwargs: model(*args, **kwargs)
    if name == "hooks":
        return least_hooks
    if name.startswith("trace"):
        from fpcourse.measure.tracing import trace

        if name.endswith("NumPy"):
            import numpy.random  # noqa: F401  then there is NumPy's random state to save and to put back

        return lambda model, args, kwargs: trace(model, *args, **kwargs)
    if name == "torchinfo":
        import torchinfo

        return lambda model, args, kwargs: torchinfo.summary(model, input_data=args or kwargs, verbose=0)
    if name == "torchview":
        import torchview

        return lambda model, args, kwargs: torchview.draw_graph(model, input_data=args or kwargs, device="cpu")
    if name == "torchlens":
        import torchlens

        return lambda model, args, kwargs: torchlens.trace(model, args, kwargs)
    from torch.utils.flop_counter import FlopCounterMode

    def count(model: torch.nn.Module, args: tuple, kwargs: dict) -> None:
        with FlopCounterMode(display=False):
            model(*args, **kwargs)

    return count


def least_hooks(model, args: tuple, kwargs: dict) -> None:
    """The floor: two hooks a module, which keep a shape and do nothing else."""
    import torch

    shapes, handles = [], []

    def keep(values: object) -> None:
        first = values[0] if isinstance(values, tuple) and values else values
        shapes.append(tuple(first.shape) if isinstance(first, torch.Tensor) else None)

    for module in model.modules():
        handles.append(module.register_forward_pre_hook(lambda module, args: keep(args)))
        handles.append(module.register_forward_hook(lambda module, args, output: keep(output)))
    model(*args, **kwargs)
    for handle in handles:
        handle.remove()


def work(name: str) -> None:
    """A process of its own: time a tool on each workload named in a line of input, and write the seconds."""
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    nowhere = os.open(os.devnull, os.O_WRONLY)  # for what the libraries say
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    import torch

    torch.set_num_threads(1)
    runs = {key: tool(key) for key in ("bare", "hooks", name)}
    prepared = {}
    with torch.no_grad():
        for line in sys.stdin:
            asked = line.strip()
            if asked not in prepared:
                prepared[asked] = workload(asked)
            try:
                reply = {key: seconds_of(run, prepared[asked]) for key, run in runs.items()}
            except Exception as error:
                reply = f"raises {type(error).__name__}"
            print(json.dumps(reply), file=replies)


def seconds_of(run: Callable, prepared: tuple) -> list[float]:
    first = once(run, prepared)
    return [once(run, prepared) for _ in range(1 if first > SLOW else CALLS)]


def once(run: Callable, prepared: tuple) -> float:
    start = time.perf_counter()
    run(*prepared)
    return time.perf_counter() - start


class Process:
    """One tool in its process."""

    def __init__(self, name: str):
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, __file__, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            # Else glibc may hand the memory of each activation back to the system, in some processes and not in others.
            env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "1000000000", "MALLOC_TRIM_THRESHOLD_": "1000000000"},
        )

    def time(self, name: str) -> dict[str, list[float]] | str:
        print(name, file=self.process.stdin)
        return json.loads(self.process.stdout.readline())


def measure() -> dict[str, dict[str, dict[str, float] | str]]:
    """By workload and process: the median seconds of each of its tools, or what the tool raised."""
    processes = [Process(name) for name in TOOLS]
    drawn = random.Random(0)
    medians = {}
    for name in dict.fromkeys((*MODELS, *GROWN)):
        # Growth is shown of trace alone.
        timed = processes if name in MODELS else processes[:1]
        replies = {process.name: [] for process in timed}
        for _ in range(ROUNDS):
            for process in drawn.sample(timed, len(timed)):
                replies[process.name].append(process.time(name))
        medians[name] = {key: median(of_one) for key, of_one in replies.items()}
        print(name, medians[name], flush=True)
    return medians


def median(replies: list[dict[str, list[float]] | str]) -> dict[str, float] | str:
    failed = [reply for reply in replies if isinstance(reply, str)]
    if failed:
        return failed[0]
    return {key: statistics.median([time for reply in replies for time in reply[key]]) for key in replies[0]}


def table(headers: Sequence[str], rows: list[list[str]]) -> str:
    lines = [headers, ["---", *["---:"] * (len(headers) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f}\N{NO-BREAK SPACE}µs"


def times_bare(measured: dict[str, float] | str, key: str) -> str:
    return measured if isinstance(measured, str) else f"{measured[key] / measured['bare']:.2f}"


def costs(medians: dict[str, dict]) -> list[list[str]]:
    """A row a tool: the time of the bare forward pass, and multiples of it."""
    return [
        ["bare", *(microseconds(medians[name]["trace"]["bare"]) for name in MODELS)],
        ["hooks", *(times_bare(medians[name]["trace"], "hooks") for name in MODELS)],
        *([key, *(times_bare(medians[name][key], key) for name in MODELS)] for key in TOOLS),
    ]


def ratios(medians: dict[str, dict]) -> list[list[str]]:
    """``trace`` beside the least hooks, and beside torchinfo in what each adds to the bare forward pass."""
    ours = [medians[name]["trace"] for name in MODELS]
    theirs = [medians[name]["torchinfo"] for name in MODELS]
    added = [
        (one["trace"] / one["bare"] - 1) / (other["torchinfo"] / other["bare"] - 1)
        for one, other in zip(ours, theirs, strict=True)
    ]
    return [
        ["trace / hooks", *(f"{one['trace'] / one['hooks']:.2f}" for one in ours)],
        ["added by trace / by torchinfo", *(f"{ratio:.2f}" for ratio in added)],
    ]


def growth(medians: dict[str, dict]) -> list[list[str]]:
    """What is added for each call, as their number grows."""
    rows = []
    for layers, name in zip(GROWTH, GROWN, strict=True):
        one = medians[name]["trace"]
        calls = 2 * layers  # a Linear and a ReLU each, without the last ReLU, and the model itself
        added = [microseconds((one[key] - one["bare"]) / calls) for key in ("hooks", "trace")]
        rows.append([str(layers), f"{calls:,}", f"{one['trace'] / one['hooks']:.2f}", *added])
    return rows


WHAT_IS_TIMED = """\
Each tool does a different job, so a larger number is not a worse tool.

- **bare** is `model(*args)` alone.
- **hooks** is the floor: two hooks on each module that keep a shape, and nothing else. They miss what stands in tuples
  and dictionaries, and they are gone only if the forward does not raise.
- **trace** is `fpcourse.trace`. Besides the shapes it notes dtypes, bytes, parameters, nesting and modes, and it takes
  down and puts back the model's state and the random state.
- **trace, NumPy** is the same where the program has imported `numpy.random`: its random state is then put back too.
- **torchinfo** prepares a summary with parameters and multiply-adds for each layer.
- **torchview** builds a drawing of modules and tensors.
- **torchlens** records every operation and keeps its tensors.
- **FlopCounterMode**, part of torch, counts floating-point operations.
"""


def report(medians: dict[str, dict]) -> str:
    """What was measured, when, and with which versions."""
    cores = f"{os.cpu_count()} cores ({platform.machine()}), one thread"
    names = ("torch", "numpy", "transformers", "torchinfo", "torchview", "torchlens")
    versions = ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in names)])
    return f"""\
Measured on {datetime.date.today():%d %B %Y} with `make bench`: {cores}, {versions}.
Medians of {ROUNDS} rounds. Each tool ran in a process of its own, so that none was timed with what another one had
imported or changed. All were timed in one run, in turns. The models were in eval mode, under `no_grad`.

{WHAT_IS_TIMED}
The first row is the time of the bare forward pass; all others are multiples of it.

{table(["what", *MODELS], costs(medians))}

{table(["what", *MODELS], ratios(medians))}

How the cost grows with the number of calls (layers of 256 units, batch 16):

{table(["layers", "calls", "trace / hooks", "hooks add, a call", "trace adds, a call"], growth(medians))}
"""


if __name__ == "__main__":
    if sys.argv[1:]:
        work(sys.argv[1])
    else:
        RESULT.write_text(report(measure()), encoding="utf8")
        print(RESULT)
