"""autograd: against saved_tensors_hooks, sets of byte addresses, and bytes added up by hand."""

import dataclasses
import gc
import weakref

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.checkpoint import checkpoint

from fpcourse.measure.autograd import AutogradGraph, autograd_graph
from fpcourse.models import ClinicalMLP, mlp


def names(graph):
    return [node.name for node in graph.nodes]


# --- the course's example, added up by hand


def test_mlp_bytes_by_hand():
    model, X = mlp([64, 256, 10]), torch.randn(32, 64)
    x, hidden, second_weight = 32 * 64 * 4, 32 * 256 * 4, 256 * 10 * 4
    graph = autograd_graph(model(X), model)
    assert graph.saved_bytes == x + hidden + second_weight == 51_200
    assert graph.saved_bytes_per_save == x + 2 * hidden + second_weight == 83_968
    assert graph.parameter_bytes == second_weight
    assert graph.activation_bytes == x + hidden
    assert autograd_graph(model.eval()(X)).saved_bytes == 51_200


def test_nodes_edges_leaves_and_saves_of_a_small_network():
    model = mlp([3, 4, 2])
    graph = autograd_graph(model(torch.randn(5, 3)), model)
    assert names(graph) == [
        "AddmmBackward0",
        "AccumulateGrad",
        "ReluBackward0",
        "TBackward0",
        "AddmmBackward0",
        "AccumulateGrad",
        "AccumulateGrad",
        "TBackward0",
        "AccumulateGrad",
    ]
    assert [node.index for node in graph.nodes] == list(range(9))
    assert graph.edges == ((0, 1), (0, 2), (0, 3), (2, 4), (3, 5), (4, 6), (4, 7), (7, 8))
    leaves = [(node.leaf.name, node.leaf.shape, node.leaf.is_parameter) for node in graph.nodes if node.leaf]
    assert leaves == [
        ("2.bias", (2,), True),
        ("2.weight", (2, 4), True),
        ("0.bias", (4,), True),
        ("0.weight", (4, 3), True),
    ]
    saved = [(s.name, s.shape, s.dtype, s.bytes, s.is_parameter, s.storage) for s in graph.saved]
    assert saved == [
        ("mat1", (5, 4), "float32", 80, False, 0),
        ("mat2", (4, 2), "float32", 32, True, 1),
        ("result", (5, 4), "float32", 80, False, 0),
        ("mat1", (5, 3), "float32", 60, False, 2),
    ]
    assert not any(node.freed for node in graph.nodes)


def test_what_operations_save():
    x = torch.rand(3, requires_grad=True)

    def saves(y):
        return [saved.name for saved in autograd_graph(y).saved]

    assert saves(x + 1) == saves(x.sum()) == saves(x.view(3, 1)) == []
    assert saves(x.relu()) == saves(x.sigmoid()) == saves(x.tanh()) == saves(x.exp()) == ["result"]
    assert saves(nn.functional.gelu(x)) == saves(nn.functional.silu(x)) == ["self"]
    assert saves(x[[0, 1]]) == ["indices[0]"]
    assert [(s.name, s.shape, s.bytes) for s in autograd_graph(x * 2).saved] == [("other", (), 8)]


def test_without_a_model_leaves_have_no_names_and_inputs_are_no_parameters():
    a = torch.ones(2, 3, requires_grad=True)
    graph = autograd_graph(a * nn.Parameter(torch.ones(3)))
    assert sorted((n.leaf.name, n.leaf.shape, n.leaf.is_parameter) for n in graph.nodes if n.leaf) == sorted(
        [(None, (2, 3), False), (None, (3,), True)]
    )


def test_one_edge_for_each_use():
    a = torch.ones(2, requires_grad=True)
    graph = autograd_graph(a * a)
    assert (names(graph), graph.edges) == (["MulBackward0", "AccumulateGrad"], ((0, 1), (0, 1)))
    assert (graph.saved_bytes, graph.saved_bytes_per_save) == (8, 16)


# --- against saved_tensors_hooks, which see every save as it is made

LAYERS = {
    "linear": lambda width: nn.Linear(width, width),
    "relu": lambda width: nn.ReLU(),
    "tanh": lambda width: nn.Tanh(),
    "dropout": lambda width: nn.Dropout(0.4),
    "batchnorm": lambda width: nn.BatchNorm1d(width),
}


@given(
    layers=st.lists(st.sampled_from(sorted(LAYERS)), min_size=1, max_size=6),
    frozen=st.sets(st.integers(0, 12)),
    batch=st.integers(2, 5),
    width=st.integers(1, 6),
    training=st.booleans(),
)
def test_equals_saved_tensors_hooks(layers, frozen, batch, width, training):
    # The first layer stays trainable, so that what comes after it is all in the graph.
    model = nn.Sequential(nn.Linear(width, width), *(LAYERS[layer](width) for layer in layers))
    model.train(training)
    for position, parameter in enumerate(list(model.parameters())[2:]):
        parameter.requires_grad_(position not in frozen)
    X = torch.randn(batch, width)
    kept = []  # alive until the comparison, so that no address is used twice

    def pack(tensor):
        kept.append(tensor)
        return tensor

    torch.manual_seed(1)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = model(X)
    torch.manual_seed(1)
    graph = autograd_graph(model(X), model)

    parameters = {parameter.data_ptr() for parameter in model.parameters()}
    assert sorted((s.shape, s.bytes, s.is_parameter) for s in graph.saved) == sorted(
        (tuple(t.shape), t.nbytes, t.data_ptr() in parameters) for t in kept
    )
    per_storage = {t.data_ptr(): t.nbytes for t in kept}
    assert graph.saved_bytes == sum(per_storage.values())
    assert graph.parameter_bytes == sum(size for at, size in per_storage.items() if at in parameters)
    assert graph.activation_bytes == graph.saved_bytes - graph.parameter_bytes
    assert graph.saved_bytes_per_save == sum(t.nbytes for t in kept)
    # Empty saves (a BatchNorm's in eval mode) have no address to count them by.
    assert sum(storage.bytes > 0 for storage in graph.storages) == sum(size > 0 for size in per_storage.values())
    del output


# --- bytes of a storage


@given(slices=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=5))
def test_a_storage_counts_the_bytes_that_its_saves_span_once(slices):
    data = torch.rand(12, 2)
    w = torch.ones(2, requires_grad=True)
    views = [data[min(pair) : max(pair)] for pair in slices]
    graph = autograd_graph(sum((w * view).sum() for view in views))
    # w is saved only if the view needs a gradient, so all saves are views of data.
    addresses = {address for v in views for address in range(v.data_ptr(), v.data_ptr() + v.nbytes) if v.nbytes}
    assert graph.saved_bytes == len(addresses)
    assert graph.saved_bytes_per_save == sum(view.nbytes for view in views)
    assert len(graph.storages) == 1


def test_expanded_and_transposed_views_count_their_memory_once():
    row = torch.rand(1, 4)
    w = torch.ones(1000, 4, requires_grad=True)
    graph = autograd_graph(w * row.expand(1000, 4))
    assert (graph.saved_bytes, graph.saved_bytes_per_save) == (16, 16_000)
    square = torch.rand(3, 3)
    w = torch.ones(3, 3, requires_grad=True)
    assert autograd_graph((w * square) + (w * square.T)).saved_bytes == 36


def test_empty_and_meta_tensors_do_not_share_a_storage():
    with torch.device("meta"):
        model, X = mlp([64, 256, 10]), torch.empty(32, 64)
    graph = autograd_graph(model(X), model)
    assert (graph.saved_bytes, len(graph.storages)) == (51_200, 3)
    a, b = (torch.empty(0, 3, requires_grad=True) for _ in range(2))
    assert len(autograd_graph(torch.cat([a.exp(), b.exp()])).storages) == 2
    assert autograd_graph(torch.empty(5, 0, requires_grad=True).exp()).saved_bytes == 0


def test_a_frozen_weight_is_a_parameter_also_without_the_model():
    first, second = nn.Linear(3, 4), nn.Linear(4, 2).requires_grad_(False)
    graph = autograd_graph(second(first(torch.randn(5, 3))))
    assert [(s.shape, s.is_parameter) for s in graph.saved] == [((4, 2), True), ((5, 3), False)]
    detached = nn.Parameter(torch.ones(3))
    model = nn.Module()
    model.weight = detached
    y = torch.ones(3, requires_grad=True) * detached.detach()
    assert [autograd_graph(y, m).parameter_bytes for m in (None, model)] == [0, 12]
    # Without the model, a parameter that is a leaf of the graph is known all the same.
    assert autograd_graph(detached * detached.detach()).parameter_bytes == 12


# --- depth


def test_five_thousand_nodes():
    y = x = torch.ones(3, requires_grad=True)
    for _ in range(5000):
        y = y.tanh()
    graph = autograd_graph(y)
    assert len(graph.nodes) == 5001
    assert graph.edges == tuple((i, i + 1) for i in range(5000))
    assert graph.saved_bytes == 5000 * x.nbytes


# --- after backward


def test_after_backward_the_nodes_remain_and_say_that_they_were_freed():
    model = ClinicalMLP()
    y = model(torch.randn(8, 20))
    before = autograd_graph(y, model)
    y.sum().backward()
    after = autograd_graph(y, model)
    assert (names(after), after.edges) == (names(before), before.edges)
    assert [node.freed for node in after.nodes] == [bool(node.saved) for node in before.nodes]
    assert after.saved == () and after.saved_bytes == after.saved_bytes_per_save == 0
    assert "(freed by backward)" in str(after)


def test_retain_graph_frees_nothing():
    y = ClinicalMLP()(torch.randn(8, 20))
    before = autograd_graph(y)
    y.sum().backward(retain_graph=True)
    assert autograd_graph(y) == before


def test_freed_lists_of_tensors():
    x = torch.rand(3, requires_grad=True)
    y = x[[0, 1]]
    y.sum().backward()
    assert autograd_graph(y).nodes[0].freed


class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x, None)
        return 2 * x

    @staticmethod
    def backward(ctx, gradient):
        return 2 * gradient


def test_a_custom_function():
    y = Twice.apply(torch.ones(3, requires_grad=True))
    graph = autograd_graph(y)
    assert [(s.name, s.shape) for s in graph.saved] == [("tensors[0]", (3,))]
    y.sum().backward()
    assert autograd_graph(y).nodes[0].freed


# --- it only reads


def test_the_result_keeps_no_tensor_alive():
    model = mlp([3, 4, 2])
    hidden = model[1](model[0](torch.randn(5, 3)))
    output = model[2](hidden)
    graph, alive = autograd_graph(output, model), [weakref.ref(t) for t in (hidden, output)]
    del hidden, output
    gc.collect()
    assert [ref() for ref in alive] == [None, None]

    def plain(value):
        if isinstance(value, (tuple, dict)):
            return all(map(plain, value.values() if isinstance(value, dict) else value))
        return value is None or type(value) in (int, str, bool)

    assert plain(dataclasses.asdict(graph))


def test_reading_changes_no_gradient():
    def gradients(read):
        torch.manual_seed(0)
        model = ClinicalMLP()
        y = model(torch.randn(8, 20))
        if read:
            autograd_graph(y, model)
        y.sum().backward()
        return [parameter.grad for parameter in model.parameters()]

    assert all(map(torch.equal, gradients(True), gradients(False)))


def test_checkpointed_layers_are_not_run_again():
    calls = []

    def layer(x):
        calls.append(1)
        return (x @ x.T).tanh()

    y = checkpoint(layer, torch.rand(3, 3, requires_grad=True), use_reentrant=False)
    graph = autograd_graph(y)
    assert (len(calls), graph.saved, any(node.freed for node in graph.nodes)) == (1, (), False)


def test_saves_overwritten_in_place_are_still_listed():
    x = torch.rand(3, requires_grad=True)
    y = x.sigmoid()
    y += 1
    assert [(s.name, s.bytes) for s in autograd_graph(y).saved] == [("result", 12)]


# --- errors and views


def test_no_graph_is_an_error_that_says_why():
    model, X = mlp([64, 256, 10]), torch.randn(32, 64)
    with torch.no_grad():
        output = model(X)
    with pytest.raises(ValueError, match=r"no_grad"):
        autograd_graph(output)
    with torch.inference_mode():
        output = model(X)
    with pytest.raises(ValueError, match=r"inference_mode"):
        autograd_graph(output)
    with pytest.raises(ValueError, match=r"no input and no parameter behind it requires a gradient"):
        autograd_graph(model.requires_grad_(False)(X))
    with pytest.raises(ValueError, match=r"it is a leaf"):
        autograd_graph(torch.ones(1, requires_grad=True))


def test_type_errors():
    with pytest.raises(TypeError, match=r"expected a tensor.*got tuple"):
        autograd_graph((torch.ones(1),))
    with pytest.raises(TypeError, match=r"torch.nn.Module as model, got dict"):
        autograd_graph(torch.ones(1, requires_grad=True) + 1, {})


def test_sparse_saves_are_refused():
    weight = torch.rand(3, 2, requires_grad=True)
    with pytest.raises(NotImplementedError, match=r"'mat1' has layout torch.sparse_coo"):
        autograd_graph(torch.sparse.mm(torch.eye(3).to_sparse(), weight))


def test_what_torch_hides_is_said():
    h = torch.ones(2, 3, requires_grad=True) * 1
    h[:, :2].exp_()
    (row,) = (row for row in autograd_graph(h).table().rows if row[1] == "CopySlices")
    assert row[2] == "(what the operation inside saved is not seen)"


def test_table_and_repr():
    model = mlp([64, 256, 10])
    graph = autograd_graph(model(torch.randn(32, 64)), model)
    table = graph.table()
    assert table.rows[0] == ("0", "AddmmBackward0", "mat1 (32, 256), mat2 (256, 10)", "0, 1", "43,008")
    assert table.rows[1] == ("1", "AccumulateGrad", "(gradient of 2.bias (10,))", "", "0")
    assert table.total == ("", "every save", "each storage once: 51,200 bytes", "", "83,968")
    column = sum(int(row[-1].replace(",", "")) for row in table.rows)
    assert column == 83_968
    assert isinstance(graph, AutogradGraph) and repr(graph) == "AutogradGraph(9 nodes, 51,200 bytes saved)"
    assert "51,200" in str(graph) and "51,200" in graph._repr_html_()
