"""What stands behind the sentences of "Trace your own model"."""

import warnings

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from fpcourse import trace


def lstm_symbolic_after():
    class StepByStep(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.LSTMCell(16, 32)

        def forward(self, sentences):  # (batch, 5, 16)
            state = None
            for step in sentences.unbind(1):
                state = self.cell(step, state)
            return state

    assert [call.label for call in trace(StepByStep(), torch.zeros(4, 5, 16))] == [
        f"cell:{step}" for step in range(1, 6)
    ]


def bench_after(cnn, cnn_calls, first_layer, inputs_for, reader):
    assert (
        trace(cnn, *inputs_for("cnn", 32)).parameters == 73178 and sum(call.parameters for call in cnn_calls) == 73178
    )
    assert trace(reader, *inputs_for("lstm", 2)).filter(type="LSTM")[0].output_shapes[0] == (5 + 3, 32)
    by_name = {call.name: call.parameters for call in first_layer}
    assert max(by_name, key=by_name.get) == "layers.0.self_attn"
    assert by_name["layers.0.self_attn"] == 4224 and by_name["layers.0.linear1"] == 2112


def breaks_after(broken, so_far):
    assert sum(isinstance(module, nn.Conv2d) for module in broken.modules()) == 7
    *_, before, failed = so_far
    assert failed == so_far.failed and failed.name == "stage2.conv2" and "(batch, 32, " in failed.error
    assert before.name == "stage2.relu" and before.output_shapes[0][1] == 64


def leaves_diary(X, changes):
    left = []
    assert changes(lambda model, X: left.append(register_module_forward_hook(lambda *call: None))) == ["hooks"]
    left.pop().remove()

    class Raises(nn.Linear):
        def forward(self, x):
            self.note, self.extra = 1, nn.Linear(1, 1)
            super().forward(x).sum().backward()
            raise RuntimeError("on purpose")

    raises = Raises(20, 1)
    try:
        trace(raises, X)
    except RuntimeError as error:
        assert "on purpose" in str(error)
    assert not hasattr(raises, "note") and not hasattr(raises, "extra") and raises.weight.grad is None

    class Writer(nn.Linear):
        def forward(self, x):
            with torch.no_grad():
                self.weight.mul_(2)
            return super().forward(x)

    writer = Writer(20, 1)
    weight = writer.weight.clone()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trace(writer, X)
    assert len(caught) == 1 and "weight" in str(caught[0].message) and torch.equal(writer.weight, 2 * weight)


def own_after(calls):
    assert [call.output_shapes[0] for call in calls] == [(4, 8, 30, 30)] * 2 + [(4, 8, 15, 15), (4, 1800), (4, 10)]


def modes_after(encoder, places):
    with torch.no_grad():
        fused = encoder(places)
    plain = encoder(places)  # with gradients: not fused
    assert torch.allclose(fused, plain, atol=1e-5)
    assert torch.backends.mha.get_fastpath_enabled()


def meta_after(meta_calls, outputs, weights):
    made = outputs - sum(
        call.output_bytes
        for call in meta_calls
        if call.type == "Dropout" and ".dropout" in call.name and not call.name.endswith("dropout")
    )  # dropout1 and dropout2 are given the layer's own width
    assert abs(made / 1e9 - 25.8) < 0.05 and 4 * made < weights < 5 * made
    scores = 32 * 64 * 2048 * 2048 * 4  # bytes, if they are kept as a table
    assert abs(scores / 1e9 - 34.4) < 0.05 and scores > outputs


def ends_figure(share):
    assert [round(100 * value, 1) for value in share["stem"]] == [36.3, 0.6]
    assert [round(100 * value) for value in share["stage2"]] == [21, 79] and round(100 * share["stem"][0]) == 36
