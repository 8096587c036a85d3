"""What a trace costs in time, beside other tools: python benchmarks/tracing.py writes benchmarks/tracing.md.

Each tool runs in a process of its own, so that none is timed with what another one has imported or patched. All are
timed in one run, in turns: in each round every tool makes a few calls, in an order drawn anew. Models are in eval
mode, under no_grad, on one thread.
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
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

RESULT = Path(__file__).with_suffix(".md")
ROUNDS = 40
CALLS = 5  # timed calls a tool and round, after one that is not timed
SLOW = 0.05  # seconds; a tool that takes longer makes one call a round
PEERS = ("torchinfo", "torchview", "torchlens", "FlopCounterMode")
TOOLS = ("bare", "hooks", "trace", "trace, NumPy", *PEERS)
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
        from fpcourse.tracing import trace

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
    """A process of its own: time one tool on each workload named in a line of input, and write the seconds."""
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    nowhere = os.open(os.devnull, os.O_WRONLY)  # for what the libraries say
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    import torch

    torch.set_num_threads(1)
    run, prepared = tool(name), {}
    with torch.no_grad():
        for line in sys.stdin:
            asked = line.strip()
            try:
                if asked not in prepared:
                    prepared[asked] = workload(asked)
                    once(run, prepared[asked])
                first = once(run, prepared[asked])
                reply = [first] if first > SLOW else [once(run, prepared[asked]) for _ in range(CALLS)]
            except Exception as error:
                reply = f"raises {type(error).__name__}"
            print(json.dumps(reply), file=replies)


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

    def time(self, name: str) -> list[float] | str:
        print(name, file=self.process.stdin)
        return json.loads(self.process.stdout.readline())


def measure() -> dict[str, dict[str, float | str]]:
    """The median seconds of a call, by workload and tool; or what the tool raised."""
    processes = [Process(name) for name in TOOLS]
    drawn = random.Random(0)
    medians = {}
    for name in (*MODELS, *(grown for grown in GROWN if grown not in MODELS)):
        seconds = {process.name: [] for process in processes}
        failed = {}
        for _ in range(ROUNDS):
            for process in drawn.sample(processes, len(processes)):
                # Growth is shown of what is compared with it; the slowest tools would take hours.
                if process.name in failed or (name not in MODELS and process.name in PEERS[1:]):
                    continue
                times = process.time(name)
                if isinstance(times, str):
                    failed[process.name] = times
                else:
                    seconds[process.name] += times
        medians[name] = {key: statistics.median(times) for key, times in seconds.items() if times} | failed
        print(name, medians[name], flush=True)
    return medians


def table(headers: list[str], rows: list[list[str]]) -> str:
    lines = [headers, ["---", *["---:"] * (len(headers) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def times_bare(medians: dict, name: str) -> str:
    return medians[name] if isinstance(medians[name], str) else f"{medians[name] / medians['bare']:.2f}"


def report(medians: dict[str, dict]) -> str:
    """The page: what was measured, when, and with which versions."""
    columns = [name for name in TOOLS if name != "bare"]
    costs = [
        [name, f"{medians[name]['bare'] * 1e6:,.0f} µs", *(times_bare(medians[name], key) for key in columns)]
        for name in MODELS
    ]
    ratios = []
    for name in MODELS:
        bare, hooks, ours, torchinfo = (medians[name][key] for key in ("bare", "hooks", "trace", "torchinfo"))
        ratios.append([name, f"{ours / hooks:.2f}", f"{(ours - bare) / (torchinfo - bare):.2f}"])
    growth = []
    for layers, name in zip(GROWTH, GROWN, strict=True):
        bare, hooks, ours = (medians[name][key] for key in ("bare", "hooks", "trace"))
        calls = 2 * layers  # a Linear and a ReLU each, no ReLU after the last, and the model itself
        growth.append(
            [str(layers), f"{calls:,}", f"{ours / hooks:.2f}"]
            + [f"{(seconds - bare) / calls * 1e6:.1f} µs" for seconds in (hooks, ours)]
        )
    cores = f"{os.cpu_count()} cores ({platform.machine()}), one thread"
    names = ("torch", "numpy", "transformers", "torchinfo", "torchview", "torchlens")
    versions = ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in names)])
    return f"""\
Measured on {datetime.date.today():%d %B %Y} with `make bench`: {cores}, {versions}.
Medians of {ROUNDS} rounds.

The first column is the bare forward pass; all others are multiples of it.

{table(["model", "bare", *columns], costs)}

What `trace` takes, beside the least hooks, and what it adds to the bare forward, beside what torchinfo adds:

{table(["model", "trace / hooks", "added by trace / added by torchinfo"], ratios)}

How the cost grows with the number of calls (layers of 256 units, batch 16):

{table(["layers", "calls", "trace / hooks", "hooks add, a call", "trace adds, a call"], growth)}
"""


if __name__ == "__main__":
    if sys.argv[1:]:
        work(sys.argv[1])
    else:
        RESULT.write_text(report(measure()), encoding="utf8")
        print(RESULT)
