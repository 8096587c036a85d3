"""What the interview bank says, run in plain torch: each question of book/interview/bank.yml names tests.

A number or an error text in an answer stands here in an assertion. Nothing is trained for long; no time is measured.
"""

import copy
import gc
import math
import random
import weakref

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import update_bn
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode


class Net(nn.Module):
    """The course's network, (batch, 20) to (batch, 1): one ReLU for both hidden layers."""

    def __init__(self):
        super().__init__()
        self.layer1, self.bn1 = nn.Linear(20, 64), nn.BatchNorm1d(64)
        self.layer2, self.bn2 = nn.Linear(64, 32), nn.BatchNorm1d(32)
        self.layer3 = nn.Linear(32, 1)
        self.relu, self.drop = nn.ReLU(), nn.Dropout(0.3)

    def forward(self, x):
        x = self.drop(self.relu(self.bn1(self.layer1(x))))
        return self.layer3(self.relu(self.bn2(self.layer2(x))))


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture
def net():
    return Net()


@pytest.fixture
def X():
    return torch.randn(16, 20)  # (batch, features)


def nodes(output) -> list[str]:
    """The names of all nodes behind a tensor, each node once."""
    found, waiting = {}, [output.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in found:
            found[node] = node.name()
            waiting += [following for following, _ in node.next_functions]
    return list(found.values())


def saves(output) -> list[str]:
    """The names under which the last operation keeps tensors for its backward."""
    node, names = output.grad_fn, []
    for name in dir(node):
        if name.startswith("_saved_") and isinstance(getattr(node, name), torch.Tensor):
            names.append(name.removeprefix("_saved_"))
    return names


def kept_bytes(forward, without=()) -> int:
    """What autograd keeps of a forward for its backward, each storage once, apart from those of these tensors."""
    own = {tensor.untyped_storage().data_ptr() for tensor in without}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = forward()  # alive to the end, so that no storage is used twice
    del output
    return sum(kept.values())


def products(run) -> int:
    """How many multiplications the matrix products of a run take; the counter counts product and sum apart."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() // 2


def buffers_of(module) -> list[torch.Tensor]:
    return [buffer.clone() for buffer in module.buffers()]


def moved(module, before) -> bool:
    return not all(map(torch.equal, before, module.buffers()))


# Layers and shapes


def test_a_hidden_layer_is_a_product_a_bias_and_an_activation(X):
    layer = nn.Linear(20, 64)
    Z = X @ layer.weight.T + layer.bias
    assert layer.weight.shape == (64, 20) and layer.bias.shape == (64,) and Z.shape == (16, 64)
    assert torch.allclose(layer(X), Z, atol=1e-6)
    assert torch.relu(Z).min() == 0


def test_a_batch_through_the_network_gives_one_logit_a_row(net, X):
    assert net(X).shape == (16, 1)
    assert net.layer1(X).shape == (16, 64)


def test_linear_carries_leading_axes_along():
    assert nn.Linear(20, 64)(torch.zeros(4, 5, 20)).shape == (4, 5, 64)
    assert nn.Linear(20, 64)(torch.zeros(20)).shape == (64,)


def test_batchnorm1d_takes_axis_1_for_the_channels():
    with pytest.raises(RuntimeError, match="5 elements not 64"):
        nn.BatchNorm1d(64)(torch.zeros(4, 5, 64))
    assert nn.BatchNorm1d(64)(torch.randn(4, 64, 5)).shape == (4, 64, 5)


def test_two_linear_layers_are_one_and_a_relu_between_them_prevents_it(X):
    one, two = nn.Linear(20, 64), nn.Linear(64, 32)
    weight, bias = two.weight @ one.weight, two.weight @ one.bias + two.bias
    assert weight.shape == (32, 20)
    assert torch.allclose(two(one(X)), F.linear(X, weight, bias), atol=1e-5)
    # A linear layer takes the mean of a batch to the mean of its outputs.
    assert (two(torch.relu(one(X.mean(0)))) - two(torch.relu(one(X))).mean(0)).abs().max() > 0.05


def test_the_parameters_of_layers_are_counted_by_hand(net):
    def count(module):
        return sum(p.numel() for p in module.parameters())

    assert count(net.layer1) == 20 * 64 + 64 == 1344
    assert count(net.bn1) == 2 * 64 == 128
    assert sum(b.numel() for b in net.bn1.buffers()) == 2 * 64 + 1 == 129
    assert count(net.relu) == count(net.drop) == 0
    assert count(net.layer2) == 64 * 32 + 32 == 2080 and count(net.bn2) == 64 and count(net.layer3) == 32 + 1 == 33
    assert count(net) == 3649


def test_a_product_that_does_not_fit_names_both_shapes(net, X):
    with pytest.raises(RuntimeError, match=r"mat1 and mat2 shapes cannot be multiplied \(16x19 and 20x64\)"):
        net(X[:, :19])


def test_whole_numbers_into_a_linear_layer_raise():
    with pytest.raises(RuntimeError, match="same dtype"):
        nn.Linear(3, 2)(torch.ones(4, 3, dtype=torch.long))


def test_a_square_weight_without_its_transpose_raises_nothing(X):
    square = nn.Linear(20, 20, bias=False)
    assert (X @ square.weight).shape == square(X).shape
    assert not torch.allclose(X @ square.weight, square(X))


def test_a_view_cuts_the_row_anew_and_a_transpose_swaps():
    table = torch.arange(6).reshape(2, 3)
    assert table.view(3, 2).tolist() == [[0, 1], [2, 3], [4, 5]]
    assert table.T.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert table.T.data_ptr() == table.data_ptr() and not table.T.is_contiguous()


def test_a_view_of_a_transposed_tensor_raises_and_reshape_copies():
    swapped = torch.arange(6).reshape(2, 3).T
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        swapped.view(6)
    assert swapped.reshape(6).tolist() == [0, 3, 1, 4, 2, 5]
    assert swapped.reshape(6).data_ptr() != swapped.data_ptr()


def test_flatten_takes_the_batch_axis_unless_it_starts_at_1():
    images = torch.zeros(16, 1, 28, 28)
    assert images.flatten().shape == (12544,) and images.flatten(1).shape == (16, 784)


def test_images_that_are_one_row_are_named_in_the_error():
    with pytest.raises(RuntimeError, match="1x12544 and 784x10"):
        nn.Linear(784, 10)(torch.zeros(16, 28, 28).flatten())


def test_channels_move_by_permute_and_mix_by_view():
    images = torch.arange(2 * 4 * 4 * 3).reshape(2, 4, 4, 3)  # (batch, height, width, channels)
    moved = images.permute(0, 3, 1, 2)
    assert moved.shape == images.view(2, 3, 4, 4).shape == (2, 3, 4, 4)
    assert torch.equal(moved[0, 1], images[0, :, :, 1])
    assert not torch.equal(images.view(2, 3, 4, 4)[0, 1], images[0, :, :, 1])


def test_a_change_to_a_transpose_changes_the_original():
    table = torch.zeros(2, 3)
    table.T[0, 1] = 5
    assert table[1, 0] == 5
    reshaped = table.T.reshape(6)  # had to copy
    reshaped[0] = 7
    assert table[0, 0] == 0


# Broadcasting


def test_a_column_minus_a_row_is_a_table():
    assert (torch.zeros(16, 1) - torch.zeros(16)).shape == (16, 16)
    assert (torch.zeros(16, 1) - torch.zeros(16, 1)).shape == (16, 1)


def test_mse_warns_of_a_broadcast_and_the_logit_loss_raises():
    logits, target = torch.zeros(16, 1), torch.ones(16)
    with pytest.warns(UserWarning, match="target size"):
        F.mse_loss(logits, target)
    with pytest.raises(ValueError, match="must be the same as input size"):
        F.binary_cross_entropy_with_logits(logits, target)


def test_a_broadcast_loss_differs_from_the_loss_meant():
    logits, target = torch.randn(16, 1), torch.rand(16)
    by_table, meant = ((logits - target) ** 2).mean(), ((logits - target.unsqueeze(1)) ** 2).mean()
    assert torch.isfinite(by_table) and not torch.isclose(by_table, meant)


def test_a_broadcast_loss_pulls_every_output_to_the_mean():
    outputs, target = torch.randn(16, 1, requires_grad=True), torch.randn(16)
    optimizer = torch.optim.SGD([outputs], lr=2.0)
    for _ in range(100):
        optimizer.zero_grad()
        ((outputs - target) ** 2).mean().backward()
        optimizer.step()
    assert torch.allclose(outputs, target.mean().expand(16, 1), atol=1e-3)


def test_broadcasting_aligns_shapes_from_the_right():
    assert (torch.zeros(16, 64) + torch.zeros(64)).shape == (16, 64)
    with pytest.raises(RuntimeError, match="must match"):
        torch.zeros(16, 64) + torch.zeros(16)
    assert (torch.zeros(16, 64) + torch.zeros(16, 1)).shape == (16, 64)


# Logits and losses


def test_the_logit_loss_has_the_sigmoid_inside():
    z, y = torch.randn(16, 1), torch.randint(2, (16, 1)).float()
    assert torch.allclose(
        F.binary_cross_entropy_with_logits(z, y), F.binary_cross_entropy(torch.sigmoid(z), y), atol=1e-6
    )


def test_a_second_sigmoid_raises_nothing_and_keeps_the_loss_above_a_floor():
    z, y = torch.tensor([[40.0], [-40.0]]), torch.tensor([[1.0], [0.0]])  # sure, and right
    assert F.binary_cross_entropy_with_logits(z, y) < 1e-6
    twice = F.binary_cross_entropy_with_logits(torch.sigmoid(z), y)
    assert torch.isclose(twice, torch.tensor((math.log(1 + math.exp(-1)) + math.log(2)) / 2))
    assert round(twice.item(), 3) == 0.503


def test_the_class_follows_from_the_sign_of_the_logit():
    z = torch.randn(100)
    assert torch.equal(z > 0, torch.sigmoid(z) > 0.5)


def test_the_slope_of_the_logit_loss_is_p_minus_y():
    z = torch.randn(16, requires_grad=True)
    y = torch.randint(2, (16,)).float()
    F.binary_cross_entropy_with_logits(z, y, reduction="sum").backward()
    assert torch.allclose(z.grad, torch.sigmoid(z.detach()) - y, atol=1e-6)


def test_cross_entropy_takes_logits_and_whole_numbers():
    classes = torch.arange(16) % 3  # (16,)
    sure = 30 * F.one_hot(classes, 3).float()  # (16, 3)
    by_hand = -F.log_softmax(sure, 1)[torch.arange(16), classes].mean()
    assert torch.isclose(F.cross_entropy(sure, classes), by_hand)
    assert F.cross_entropy(sure, classes) < 1e-6


def test_a_softmax_before_cross_entropy_raises_nothing_and_leaves_a_floor():
    classes = torch.arange(16) % 3
    sure = 30 * F.one_hot(classes, 3).float()
    twice = F.cross_entropy(sure.softmax(1), classes)
    assert torch.isclose(twice, torch.tensor(math.log(1 + 2 / math.e))) and round(twice.item(), 3) == 0.551


def test_softmax_is_the_same_after_a_shift():
    z = torch.randn(4, 3)
    assert torch.allclose(z.softmax(1), (z + 5).softmax(1), atol=1e-6)


def test_targets_with_a_second_axis_raise():
    with pytest.raises(RuntimeError, match="0D or 1D target tensor expected"):
        F.cross_entropy(torch.zeros(16, 3), torch.zeros(16, 1, dtype=torch.long))


# Numerics


def test_sigmoid_of_20_is_1_in_float32_and_the_logit_loss_stays_finite():
    z = torch.tensor(20.0, requires_grad=True)
    p = torch.sigmoid(z)
    assert p == 1 and -torch.log(1 - p) == torch.inf
    loss = F.binary_cross_entropy_with_logits(z, torch.tensor(0.0))
    loss.backward()
    assert loss == 20 and z.grad == 1


def test_1_minus_sigmoid_of_20_is_below_half_a_step():
    lacking = 1 - torch.sigmoid(torch.tensor(20.0, dtype=torch.float64))
    step = 1 - torch.nextafter(torch.tensor(1.0), torch.tensor(0.0))  # to the nearest float32 below 1
    assert 0 < lacking < step / 2


def test_in_a_mean_over_the_batch_the_slope_is_p_minus_y_over_n():
    z, y = torch.randn(16, requires_grad=True), torch.randint(2, (16,)).float()
    F.binary_cross_entropy_with_logits(z, y).backward()
    assert torch.allclose(z.grad, (torch.sigmoid(z) - y) / 16)


def test_a_stable_form_of_the_logit_loss():
    z, y = torch.tensor([-200.0, -3.0, 0.0, 20.0, 200.0]), torch.tensor([1.0, 0.0, 1.0, 0.0, 0.0])
    by_hand = z.clamp(min=0) - z * y + torch.log(1 + torch.exp(-z.abs()))
    assert torch.allclose(by_hand, F.binary_cross_entropy_with_logits(z, y, reduction="none"))


def test_a_formula_with_infinity_gives_a_gradient_that_is_no_number():
    z = torch.tensor(20.0, requires_grad=True)
    (-torch.log(1 - torch.sigmoid(z))).backward()
    assert torch.isnan(z.grad)


def test_the_loss_from_the_probability_is_capped_at_100_with_no_gradient():
    z = torch.tensor(20.0, requires_grad=True)
    loss = F.binary_cross_entropy(torch.sigmoid(z), torch.tensor(0.0))
    loss.backward()
    assert loss == 100 and z.grad == 0
    p = torch.tensor(1.0, requires_grad=True)
    F.binary_cross_entropy(p, torch.tensor(0.0)).backward()
    assert abs(p.grad / 1e12 - 1) < 0.01


def test_exp_overflows_where_softmax_does_not():
    z = torch.tensor([100.0, 0.0])
    assert torch.isinf(z.exp()[0]) and torch.isnan(z.exp() / z.exp().sum())[0]
    assert z.softmax(0).tolist() == pytest.approx([1, 0])


def test_log_sum_exp_subtracts_the_largest():
    z = torch.tensor([100.0, 99.0])
    largest = z.max()
    assert torch.isinf(z.exp().sum().log())
    assert torch.isclose(torch.logsumexp(z, 0), largest + (z - largest).exp().sum().log())


def test_the_log_of_a_softmax_is_infinite_where_log_softmax_is_not():
    z = torch.tensor([200.0, 0.0])
    assert z.softmax(0).log()[1] == -torch.inf and z.log_softmax(0)[1] == -200


def test_infinity_makes_numbers_that_are_none():
    infinite = torch.tensor(torch.inf)
    assert torch.isnan(infinite - infinite) and torch.isnan(0 * infinite)


def test_double_precision_shrinks_the_difference_of_two_orders():
    def gap(numbers):
        there, back = numbers.new_zeros(()), numbers.new_zeros(())
        for number, last in zip(numbers, numbers.flip(0), strict=True):
            there, back = there + number, back + last
        return (there - back).abs()

    numbers = torch.randn(512)
    assert gap(numbers.double()) < 1e-6 * gap(numbers)


def test_sums_depend_on_their_order_and_agree_within_tolerance():
    numbers = torch.randn(512)
    there, back = torch.tensor(0.0), torch.tensor(0.0)
    for number, last in zip(numbers, numbers.flip(0), strict=True):
        there, back = there + number, back + last
    assert there != back and torch.allclose(there, back, atol=1e-5)


def test_a_row_alone_and_in_a_batch_agree_within_tolerance(net, X):
    net.eval()
    with torch.no_grad():
        assert torch.allclose(net(X)[:1], net(X[:1]), atol=1e-6)


def test_float16_ends_at_65504_and_bfloat16_keeps_the_range():
    half, brain = torch.finfo(torch.float16), torch.finfo(torch.bfloat16)
    assert half.max == 65504 and torch.isinf(torch.tensor(70000.0).half())
    assert torch.tensor(1e-8).half() == 0 and torch.tensor(1e-8).bfloat16() > 0
    assert brain.max > 3e38 and torch.finfo(torch.float32).max / brain.max < 1.01


def test_bfloat16_has_fewer_digits():
    assert torch.tensor(1 + 1 / 256).bfloat16() == 1 and torch.tensor(1 + 1 / 256).half() > 1


# Dropout


def test_dropout_scales_in_train_mode_and_returns_its_input_in_eval():
    ones, drop = torch.ones(100_000), nn.Dropout(0.3)
    dropped = drop(ones)
    assert torch.allclose(dropped.unique(), torch.tensor([0.0, 1.4286]), atol=5e-5)  # 1 / 0.7
    assert 0.29 < (dropped == 0).float().mean() < 0.31 and abs(dropped.mean() - 1) < 0.02
    assert drop.eval()(ones) is ones


def test_dropout_draws_anew_on_each_pass_and_uses_the_random_state():
    drop, ones = nn.Dropout(0.5), torch.ones(100)
    state = torch.get_rng_state()
    first = drop(ones)
    assert not torch.equal(state, torch.get_rng_state())
    assert not torch.equal(first, drop(ones))
    torch.set_rng_state(state)
    assert torch.equal(first, drop(ones))


def test_the_mean_over_masks_is_not_the_pass_without_a_mask_behind_a_relu():
    layer, x = nn.Linear(64, 32), torch.relu(torch.randn(16, 64))
    with torch.no_grad():
        noisy = torch.stack([layer(F.dropout(x, 0.3)) for _ in range(2000)])
        plain = layer(x)
    error = (noisy.mean(0) - plain) / noisy.std(0) * 2000**0.5
    assert error.abs().max() < 5  # dropout and a linear layer keep the mean: five standard errors at most
    assert (torch.relu(noisy).mean(0) - torch.relu(plain)).mean() > 0.02  # a ReLU behind them does not


def test_dropout_saves_a_mask_that_its_backward_uses():
    x = torch.ones(1000, requires_grad=True)
    dropped = nn.Dropout(0.3)(x)
    dropped.sum().backward()
    assert torch.equal(x.grad, dropped.detach())  # 0 or 1/(1 - p), as in the forward


def test_the_function_dropout_drops_in_eval_mode_unless_told():
    class Forgetful(nn.Module):
        def forward(self, x):
            return F.dropout(x, 0.3)

    class Told(nn.Module):
        def forward(self, x):
            return F.dropout(x, 0.3, training=self.training)

    ones = torch.ones(1000)
    assert (Forgetful().eval()(ones) == 0).any()
    assert torch.equal(Told().eval()(ones), ones)


def test_dropout_in_train_mode_and_batchnorm_in_eval_give_a_spread_and_move_nothing(net, X):
    net.eval()
    net.drop.train()
    before = buffers_of(net)
    assert not torch.equal(net(X), net(X)) and not moved(net, before)


def test_dropout_in_eval_mode_is_called_and_has_no_node():
    drop, called = nn.Dropout(0.3).eval(), []
    drop.register_forward_hook(lambda *call: called.append("call"))
    x = torch.ones(4, requires_grad=True)
    assert drop(x).grad_fn is None and called == ["call"]


def test_frozen_layers_keep_something_if_the_input_requires_a_gradient(X):
    layers = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 1)).requires_grad_(False)
    assert kept_bytes(lambda: layers(X), layers.parameters()) == 0
    assert kept_bytes(lambda: layers(X.requires_grad_()), layers.parameters()) > 0


def test_dropout_in_eval_mode_keeps_nothing():
    x, drop = torch.ones(4, requires_grad=True), nn.Dropout(0.3)
    assert kept_bytes(lambda: drop(x)) > 0
    assert kept_bytes(lambda: drop.eval()(x)) == 0


# BatchNorm and LayerNorm


def test_batchnorm_in_eval_uses_running_statistics():
    bn, z = nn.BatchNorm1d(64), 3 + 2 * torch.randn(16, 64)
    bn(z)
    bn.eval()
    by_hand = (z - bn.running_mean) / (bn.running_var + bn.eps).sqrt()
    assert torch.allclose(bn(z), by_hand, atol=1e-5)
    assert bn(z).mean(0).abs().max() > 0.5  # not mean 0
    assert torch.equal(bn(z)[:1], bn(z[:1]))  # a row does not depend on its batch


def test_batchnorm_in_train_mode_uses_the_batch_and_its_biased_variance():
    bn, z = nn.BatchNorm1d(64), 3 + 2 * torch.randn(16, 64)
    by_hand = (z - z.mean(0)) / (z.var(0, correction=0) + bn.eps).sqrt()
    assert torch.allclose(bn(z), by_hand, atol=1e-5)
    assert bn(z).mean(0).abs().max() < 1e-5
    assert torch.allclose(bn(z).std(0, correction=0), torch.ones(64), atol=1e-3)
    assert not torch.allclose(bn(z)[:8], bn(z[:8]), atol=1e-2)  # a row depends on its batch


def test_the_std_of_a_batchnorms_output_by_torchs_std():
    normed = nn.BatchNorm1d(64)(torch.randn(16, 64))
    assert abs((16 / 15) ** 0.5 - 1.033) < 5e-4
    assert torch.allclose(normed.std(0), torch.full((64,), 1.033), atol=1e-3)


def test_two_rows_become_1_and_minus_1():
    normed = nn.BatchNorm1d(64)(torch.tensor([[0.5], [3.0]]) + 5 * torch.rand(64))
    assert torch.allclose(normed[0], torch.tensor(-1.0), atol=1e-3)
    assert torch.allclose(normed[1], torch.tensor(1.0), atol=1e-3)


def test_batchnorm_in_eval_folds_into_the_layer_before_it(net, X):
    net(X)
    net.eval()
    bn = net.bn1
    factor = bn.weight / (bn.running_var + bn.eps).sqrt()
    weight = factor[:, None] * net.layer1.weight
    bias = factor * (net.layer1.bias - bn.running_mean) + bn.bias
    assert torch.allclose(net.bn1(net.layer1(X)), F.linear(X, weight, bias), atol=1e-5)


def test_running_statistics_move_a_tenth_of_the_way_by_the_unbiased_variance():
    bn, z = nn.BatchNorm1d(64), 3 + 2 * torch.randn(16, 64)
    with torch.no_grad():
        bn(z)
    assert torch.allclose(bn.running_mean, 0.1 * z.mean(0), atol=1e-6)
    assert torch.allclose(bn.running_var, 0.9 + 0.1 * z.var(0, correction=1))
    assert bn.num_batches_tracked == 1


def test_a_small_batch_moves_the_statistics_as_far_as_a_large_one():
    for size in (2, 64):
        bn, z = nn.BatchNorm1d(8), torch.randn(size, 8)
        bn(z)
        assert torch.allclose(bn.running_mean, 0.1 * z.mean(0), atol=1e-6)


def test_momentum_is_the_step_of_the_running_statistics():
    bn, z = nn.BatchNorm1d(8, momentum=0.01), torch.randn(64, 8)
    bn(z)
    assert torch.allclose(bn.running_mean, 0.01 * z.mean(0), atol=1e-6)


def test_scale_and_shift_are_parameters_and_running_statistics_are_buffers():
    bn = nn.BatchNorm1d(64)
    assert [name for name, _ in bn.named_parameters()] == ["weight", "bias"]
    assert [name for name, _ in bn.named_buffers()] == ["running_mean", "running_var", "num_batches_tracked"]
    assert set(bn.state_dict()) == {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}


def test_batchnorm_raises_for_one_row_in_train_mode_alone(net, X):
    with pytest.raises(ValueError, match="Expected more than 1 value per channel when training"):
        net(X[:1])
    assert net.eval()(X[:1]).shape == (1, 1)


def test_one_image_has_many_values_a_channel():
    assert nn.BatchNorm2d(3)(torch.randn(1, 3, 4, 4)).shape == (1, 3, 4, 4)


def test_a_last_batch_can_be_left_out():
    data = torch.utils.data.TensorDataset(torch.zeros(33, 20))
    sizes = [len(x) for (x,) in torch.utils.data.DataLoader(data, batch_size=16)]
    assert sizes == [16, 16, 1]
    assert [len(x) for (x,) in torch.utils.data.DataLoader(data, batch_size=16, drop_last=True)] == [16, 16]


def test_freezing_the_parameters_does_not_stop_the_statistics(X):
    bn = nn.BatchNorm1d(20).requires_grad_(False)
    before = buffers_of(bn)
    bn(X)
    assert moved(bn, before)
    before = buffers_of(bn)
    bn.eval()(X)
    assert not moved(bn, before)


def test_train_of_the_model_wakes_a_batchnorm_that_was_set_to_eval(net, X):
    net.bn1.eval()
    net.train()
    assert net.bn1.training
    before = buffers_of(net.bn1)
    net(X)
    assert moved(net.bn1, before)


class Tuned(nn.Module):
    """A frozen body and a head; the body stays in eval mode if the class is told so."""

    def __init__(self, keep_body_in_eval):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(20, 8), nn.BatchNorm1d(8)).requires_grad_(False)
        self.head, self.keep_body_in_eval = nn.Linear(8, 1), keep_body_in_eval

    def train(self, mode=True):
        super().train(mode)
        if self.keep_body_in_eval:
            self.body.eval()
        return self

    def forward(self, x):
        return self.head(self.body(x))


def one_epoch(model, X):
    model.train()
    optimizer = torch.optim.SGD(model.head.parameters(), lr=0.1)
    model(X).mean().backward()
    optimizer.step()
    return model.eval()


def test_a_frozen_body_drifts_in_train_mode(X):
    model = Tuned(keep_body_in_eval=False).eval()
    was = model.body(X)
    assert not torch.allclose(one_epoch(model, X).body(X), was, atol=1e-3)
    assert all(p.grad is None for p in model.body.parameters())


def test_a_model_can_keep_its_body_in_eval_mode(X):
    model = Tuned(keep_body_in_eval=True).eval()
    was = model.body(X)
    assert torch.equal(one_epoch(model, X).body(X), was) and model.train().head.training


def test_a_batchnorm_without_statistics_uses_the_batch_in_eval_mode(X):
    bn = nn.BatchNorm1d(20, track_running_stats=False).eval()
    assert not torch.allclose(bn(X)[:8], bn(X[:8]), atol=1e-2)


def test_one_value_raises_in_eval_mode_without_statistics_and_in_groupnorm_too():
    for norm in (nn.BatchNorm1d(8, track_running_stats=False).eval(), nn.GroupNorm(8, 8)):
        with pytest.raises(ValueError, match="more than 1 value per channel"):
            norm(torch.randn(1, 8))
    assert nn.GroupNorm(2, 8)(torch.randn(1, 8)).shape == (1, 8)


def test_small_batches_give_noisy_statistics():
    data = torch.randn(4096, 8)
    spread = {n: data.reshape(-1, n, 8).mean(1).std().item() for n in (2, 64)}
    assert spread[2] / spread[64] == pytest.approx(32**0.5, rel=0.15)  # as 1/sqrt(n)


def test_layernorm_normalises_each_row_alone_and_in_both_modes_alike(X):
    norm = nn.LayerNorm(20)
    assert norm(X).mean(1).abs().max() < 1e-5
    assert torch.allclose(norm(X).std(1, correction=0), torch.ones(16), atol=1e-3)
    assert torch.allclose(norm(X)[:1], norm(X[:1]), atol=1e-6)
    assert torch.equal(norm.train()(X), norm.eval()(X))
    assert not list(norm.buffers()) and [tuple(p.shape) for p in norm.parameters()] == [(20,), (20,)]


def test_groupnorm_does_not_look_at_the_other_rows():
    norm, x = nn.GroupNorm(2, 8), torch.randn(16, 8, 4, 4)
    assert torch.allclose(norm(x)[:1], norm(x[:1]), atol=1e-6) and not list(norm.buffers())


def test_layernorm_is_no_linear_function_of_its_input():
    norm, x = nn.LayerNorm(20), torch.randn(1, 20)
    assert torch.allclose(norm(2 * x), norm(x), atol=1e-3)  # twice the input, the same output


# Modes and contexts


def test_train_and_eval_set_a_flag_on_every_module_and_nothing_else(net):
    before = copy.deepcopy(net.state_dict())
    assert {module.training for module in net.train().modules()} == {True}
    assert {module.training for module in net.eval().modules()} == {False}
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert all(p.requires_grad for p in net.parameters())


def test_a_fresh_module_is_in_train_mode(net):
    assert all(module.training for module in net.modules())


def test_linear_layers_and_relu_do_not_heed_the_mode(X):
    layers = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 1))
    assert torch.equal(layers.train()(X), layers.eval()(X))


def test_the_gradient_by_the_input_is_there_in_eval_mode(net, X):
    X.requires_grad_()
    net.eval()(X).sum().backward()
    assert X.grad.abs().sum() > 0


def test_a_mean_of_means_is_another_number_for_uneven_batches():
    losses = torch.randn(33)
    of_means = torch.stack([part.mean() for part in losses.split(16)]).mean()
    assert [len(part) for part in losses.split(16)] == [16, 16, 1]
    assert not torch.isclose(of_means, losses.mean())


def test_new_rows_of_the_same_population_bring_the_statistics_back_nearly(net, X):
    def gathered(p):
        net.drop.p = p
        update_bn([torch.randn(16_384, 20)], net)
        return net.eval()(X)

    before = gathered(p=0.3)
    for _ in range(20):
        net.train()(2 * torch.randn(256, 20) + 3)  # rows of another kind
    spoiled = (net.eval()(X) - before).abs().max()
    restored, without_dropout = ((gathered(p) - before).abs().max() for p in (0.3, 0.0))
    assert 0 < restored < 0.15 * spoiled
    assert without_dropout > 1.5 * restored  # bn2, behind the dropout, had gathered larger variances


def test_eval_keeps_the_graph(net, X):
    assert net.eval()(X).grad_fn is not None


def test_no_grad_drops_units_and_moves_statistics_in_train_mode(net, X):
    before = buffers_of(net)
    with torch.no_grad():
        assert not torch.equal(net(X), net(X))
    assert moved(net, before)


def test_no_grad_changes_no_number(net, X):
    def pass_once(record):
        copied = copy.deepcopy(net)
        torch.manual_seed(1)
        with torch.set_grad_enabled(record):
            return copied(X)

    assert torch.equal(pass_once(True), pass_once(False))
    assert pass_once(True).requires_grad and not pass_once(False).requires_grad


@pytest.mark.filterwarnings("ignore:.*nested.*")
def test_a_transformer_encoder_takes_another_way_under_no_grad():
    layer = nn.TransformerEncoderLayer(32, nhead=4, dim_feedforward=64, batch_first=True)
    encoder, places = nn.TransformerEncoder(layer, num_layers=2).eval(), torch.randn(4, 10, 32)
    padded = torch.zeros(4, 10, dtype=torch.bool)
    padded[:, 7:] = True
    recorded = encoder(places, src_key_padding_mask=padded)
    with torch.no_grad():
        unrecorded = encoder(places, src_key_padding_mask=padded)
    assert torch.allclose(recorded[:, :7], unrecorded[:, :7], atol=1e-5)
    assert unrecorded[:, 7:].abs().max() == 0 and recorded[:, 7:].abs().min() > 0


def test_passes_in_eval_mode_are_equal_and_change_nothing(net, X):
    net.eval()
    before = buffers_of(net)
    with torch.no_grad():
        assert torch.equal(net(X), net(X))
    assert not moved(net, before)


def test_a_model_may_repeat_a_batch_and_not_a_row(net, X):
    net.train().drop.p = 0.0
    assert torch.equal(net(X), net(X))
    assert not torch.allclose(net(X)[:8], net(X[:8]), atol=1e-3)


def test_a_pass_in_train_mode_changes_a_later_output_in_eval_mode(net, X):
    with torch.no_grad():
        first = net.eval()(X)
        net.train()(X)
        assert not torch.equal(first, net.eval()(X))


def test_inference_mode_keeps_no_graph_and_its_tensors_cannot_be_saved_later(net, X):
    with torch.inference_mode():
        inside = net(X)
    assert inside.grad_fn is None and inside.is_inference()
    w = torch.ones(1, requires_grad=True)
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
        w * inside
    (w * inside.clone()).sum().backward()  # a copy made outside is an ordinary tensor
    with torch.no_grad():
        plain = net(X)
    (w * plain).sum().backward()


def test_inference_mode_leaves_the_mode_of_the_layers(net, X):
    with torch.inference_mode():
        assert net.training and not torch.equal(net(X), net(X))


def test_inference_mode_counts_no_versions():
    with torch.inference_mode():
        inside = torch.ones(2)
    with pytest.raises(RuntimeError, match="Inference tensors do not track version counter"):
        _ = inside._version
    plain = torch.ones(2)
    plain.add_(1)
    assert plain._version == 1


def test_an_inference_tensor_cannot_be_written_to_outside():
    with torch.inference_mode():
        inside = torch.ones(2)
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor outside InferenceMode"):
        inside.add_(1)


def test_a_view_made_in_inference_mode_of_an_ordinary_tensor_is_ordinary(X):
    with torch.inference_mode():
        view, computed = X[:8], X + 1
    assert computed.is_inference() and not view.is_inference()
    (torch.ones(20, requires_grad=True) * view).sum().backward()


def test_an_inference_tensor_can_be_added_to_a_weight():
    with torch.inference_mode():
        inside = torch.ones(2)
    w = torch.ones(2, requires_grad=True)
    (w + inside).sum().backward()
    assert w.grad.tolist() == [1, 1]


def test_a_head_does_not_train_on_inference_tensors(X):
    body, head = nn.Linear(20, 8), nn.Linear(8, 1)
    with torch.inference_mode():
        features = body(X)
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
        head(features)
    head(features.clone()).sum().backward()
    with torch.no_grad():
        features = body(X)
    head(features).sum().backward()


# The graph


def test_the_graph_stands_before_backward_is_called(net, X):
    loss = net(X).sum()
    before = nodes(loss)
    loss.backward()
    assert len(before) > 10 and nodes(loss) == before


def test_each_pass_builds_its_own_graph(X):
    layer = nn.Linear(20, 1)
    first, second = layer(X), layer(X)
    assert first.grad_fn is not second.grad_fn


def test_an_operation_is_recorded_if_grad_mode_is_on_and_an_input_asks(X):
    layer = nn.Linear(20, 64)
    assert layer(X).grad_fn is not None
    assert torch.relu(X).grad_fn is None  # the data ask for nothing
    with torch.no_grad():
        assert layer(X).grad_fn is None
    frozen = copy.deepcopy(layer).requires_grad_(False)
    assert frozen(X).grad_fn is None
    assert frozen(X.clone().requires_grad_()).grad_fn is not None
    assert (layer(X) > 0).grad_fn is None  # a comparison has no derivative


def test_a_frozen_first_layer_is_not_recorded_and_a_frozen_last_one_is(net, X):
    net.layer1.requires_grad_(False)
    assert net.layer1(X).grad_fn is None and net.bn1(net.layer1(X)).grad_fn is not None
    net = Net()
    net.layer3.requires_grad_(False)
    net(X).sum().backward()
    assert net.layer3.weight.grad is None and net.layer1.weight.grad is not None


def test_backward_frees_the_saved_tensors_and_not_the_nodes():
    w = torch.ones(3, requires_grad=True)
    loss = (w * w).sum()
    before = nodes(loss)
    loss.backward()
    assert nodes(loss) == before
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        loss.backward()


def test_a_second_backward_needs_retain_graph_where_something_was_saved():
    w = torch.ones(3, requires_grad=True)
    loss = (w * w).sum()
    loss.backward(retain_graph=True)
    loss.backward()
    assert w.grad.tolist() == [4, 4, 4]
    added = (w + 1).sum()  # an addition saves nothing
    w.grad = None
    added.backward()
    added.backward()
    assert w.grad.tolist() == [2, 2, 2]


def test_one_backward_of_a_sum_gives_what_two_give(X):
    body, heads = nn.Linear(20, 8), [nn.Linear(8, 1), nn.Linear(8, 1)]
    shared = torch.relu(body(X))
    (heads[0](shared).mean() + heads[1](shared).mean()).backward()
    summed = body.weight.grad.clone()
    body.zero_grad()
    for head in heads:
        head(torch.relu(body(X))).mean().backward()
    assert torch.allclose(body.weight.grad, summed, atol=1e-6)


def test_a_carried_state_reaches_into_the_step_before_unless_detached():
    cell = nn.RNNCell(4, 4)
    x, state = torch.randn(2, 4), torch.zeros(2, 4)
    first = cell(x, state)
    first.sum().backward()
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        cell(x, first).sum().backward()
    cell(x, first.detach()).sum().backward()


def test_a_kept_graph_meets_weights_that_a_step_has_changed():
    cell = nn.RNNCell(4, 4)
    optimizer = torch.optim.SGD(cell.parameters(), lr=0.1)
    x, state = torch.randn(2, 4), cell(torch.randn(2, 4))
    state = cell(x, state)
    state.sum().backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        cell(x, state).sum().backward()


def test_create_graph_records_the_backward():
    w = torch.tensor(3.0, requires_grad=True)
    [slope] = torch.autograd.grad(w**3, w, create_graph=True)
    [curve] = torch.autograd.grad(slope, w)
    assert (slope, curve) == (27, 18)


def test_backward_adds_to_grad():
    w = torch.tensor([0.5, -1.0, 0.3], requires_grad=True)
    for _ in range(3):
        (w * torch.tensor([2.0, 3.0, 4.0])).sum().backward()
    assert torch.allclose(w.grad, 3 * torch.tensor([2.0, 3.0, 4.0]))
    torch.optim.SGD([w]).zero_grad()
    assert w.grad is None


def test_padding_that_the_loss_skips_needs_the_whole_batchs_count():
    layer, x = nn.Linear(20, 3), torch.randn(16, 20)
    target = torch.arange(16) % 3
    target[:6] = -100  # padding, in the first half alone
    halves = list(zip(x.split(8), target.split(8), strict=True))

    def gradient(losses):
        layer.zero_grad()
        for loss in losses:
            loss.backward()
        return layer.weight.grad.clone()

    whole = gradient([F.cross_entropy(layer(x), target)])
    means = gradient(F.cross_entropy(layer(part), y) / 2 for part, y in halves)
    sums = gradient(F.cross_entropy(layer(part), y, reduction="sum") / (target >= 0).sum() for part, y in halves)
    assert not torch.allclose(means, whole, rtol=0.1)
    assert torch.allclose(sums, whole, atol=1e-6)


def test_a_parameter_used_twice_gets_the_sum():
    w = torch.tensor(3.0, requires_grad=True)
    (2 * w + 5 * w).backward()
    assert w.grad == 2 + 5


def test_two_half_batches_add_up_to_the_gradient_of_the_batch(X):
    layer, y = nn.Linear(20, 1), torch.randn(16, 1)
    F.mse_loss(layer(X), y).backward()
    whole = layer.weight.grad.clone()
    layer.zero_grad()
    for part in (slice(0, 8), slice(8, 16)):
        (F.mse_loss(layer(X[part]), y[part]) / 2).backward()
    assert torch.allclose(layer.weight.grad, whole, atol=1e-6)
    layer.zero_grad()
    for part in (slice(0, 8), slice(8, 16)):
        F.mse_loss(layer(X[part]), y[part]).backward()
    assert torch.allclose(layer.weight.grad, 2 * whole, atol=1e-5)


def test_twice_the_gradient_is_twice_the_step_of_sgd_and_not_of_adam():
    def step(optimiser, factor):
        w = torch.ones(3, requires_grad=True)
        w.grad = factor * torch.tensor([0.1, 0.2, -0.3])
        optimiser([w], lr=0.01).step()
        return 1 - w.detach()

    assert torch.allclose(step(torch.optim.SGD, 2), 2 * step(torch.optim.SGD, 1), rtol=1e-3)
    assert torch.allclose(step(torch.optim.Adam, 2), step(torch.optim.Adam, 1), rtol=1e-3)


def test_parts_of_different_size_need_their_own_weights(X):
    layer, y = nn.Linear(20, 1), torch.randn(16, 1)
    F.mse_loss(layer(X), y).backward()
    whole = layer.weight.grad.clone()

    def accumulated(share):
        layer.zero_grad()
        for part in (slice(0, 12), slice(12, 16)):
            (F.mse_loss(layer(X[part]), y[part]) * share(part.stop - part.start)).backward()
        return layer.weight.grad

    assert torch.allclose(accumulated(lambda size: size / 16), whole, atol=1e-6)
    assert not torch.allclose(accumulated(lambda size: 1 / 2), whole, atol=1e-3)


def test_half_batches_give_another_gradient_with_batchnorm(X):
    def gradient(parts):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(20, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
        for part in parts:
            ((net(part) ** 2).mean() / len(parts)).backward()
        return net[0].weight.grad

    assert not torch.allclose(gradient([X]), gradient([X[:8], X[8:]]), atol=1e-3)


def test_half_batches_give_the_same_gradient_with_layernorm(X):
    def gradient(parts):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(20, 8), nn.LayerNorm(8), nn.Linear(8, 1))
        for part in parts:
            ((net(part) ** 2).mean() / len(parts)).backward()
        return net[0].weight.grad

    assert torch.allclose(gradient([X]), gradient([X[:8], X[8:]]), atol=1e-6)


def test_three_causes_of_a_gradient_that_is_none(net, X):
    net.spare = nn.Linear(20, 1)  # takes no part
    net.layer2.requires_grad_(False)  # frozen
    net(X).sum().backward()
    without = {name for name, p in net.named_parameters() if p.grad is None}
    assert without == {"spare.weight", "spare.bias", "layer2.weight", "layer2.bias"}
    cut = nn.Sequential(nn.Linear(20, 4), nn.Linear(4, 1))
    cut[1](cut[0](X).detach()).sum().backward()
    assert cut[0].weight.grad is None and cut[1].weight.grad is not None


def test_grad_of_a_tensor_between_is_none_unless_it_is_retained():
    w = torch.ones(3, requires_grad=True)
    between = w * 2
    between.sum().backward()
    assert not between.is_leaf and w.is_leaf
    with pytest.warns(UserWarning, match="not a leaf"):
        assert between.grad is None
    between = w * 2
    between.retain_grad()
    between.sum().backward()
    assert between.grad is not None


def test_a_gradient_of_zero_is_not_none():
    x = torch.tensor([-1.0], requires_grad=True)
    torch.relu(x).sum().backward()
    assert x.grad is not None and x.grad == 0


def test_a_number_taken_out_cuts_the_way():
    w = torch.tensor(3.0, requires_grad=True)
    anew = torch.tensor((2 * w).item(), requires_grad=True)
    (anew * 5).backward()
    assert w.grad is None and anew.grad == 5


def test_an_optimizer_skips_none_and_decays_at_0():
    skipped, decayed = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    decayed.grad = torch.zeros(1)
    torch.optim.SGD([skipped, decayed], lr=0.1, weight_decay=0.1).step()
    assert skipped == 1 and decayed < 1


def test_a_loss_without_a_graph_raises_in_backward(net, X):
    with torch.no_grad():
        loss = net(X).sum()
    with pytest.raises(RuntimeError, match="does not require grad and does not have a grad_fn"):
        loss.backward()


def test_adding_up_losses_keeps_every_graph_and_item_does_not(X):
    layer, total, lengths = nn.Linear(20, 1), torch.tensor(0.0), []
    for _ in range(10):
        total = total + layer(X).mean()
        lengths.append(len(nodes(total)))
    assert lengths[-1] > 5 * lengths[0]
    assert isinstance(layer(X).mean().item(), float) and layer(X).mean().detach().grad_fn is None


def test_a_kept_loss_keeps_what_its_graph_saved(X):
    class Saved:
        def __init__(self, tensor):
            self.tensor = tensor.detach()  # else it would hold its own graph

    layer, alive = nn.Linear(20, 64), weakref.WeakSet()

    def keep(tensor):
        saved = Saved(tensor)
        alive.add(saved)
        return saved

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda saved: saved.tensor):
        loss = torch.relu(layer(X)).mean()
    assert len(alive) == 2  # the layer's input and the ReLU's output
    number = loss.item()
    del loss
    assert len(alive) == 0 and isinstance(number, float)


# Saved tensors


def test_relu_saves_its_output_gelu_its_input_and_an_addition_nothing():
    x = torch.randn(4, 8, requires_grad=True)
    for function in (torch.relu, torch.sigmoid, torch.tanh, torch.exp):
        assert saves(function(x)) == ["result"]
    assert saves(F.gelu(x)) == ["self"] and saves(F.silu(x)) == ["self"]
    assert saves(x + 1) == saves(x.sum()) == saves(x.view(8, 4)) == []


def test_a_linear_layer_saves_its_input_and_its_weight_if_their_partners_ask():
    layer, x = nn.Linear(8, 4), torch.randn(2, 8)
    assert saves(layer(x)) == ["mat1"]  # plain data: its input, for the weight's gradient
    assert saves(layer(x.clone().requires_grad_())) == ["mat1", "mat2"]
    assert saves(layer.requires_grad_(False)(x.clone().requires_grad_())) == ["mat2"]


def test_batchnorm_saves_its_input():
    assert saves(nn.BatchNorm1d(8)(torch.randn(4, 8)))[0] == "input"


def small(activation):
    return nn.Sequential(nn.Linear(64, 256), activation, nn.Linear(256, 10))


def test_between_linear_and_relu_no_pre_activation_is_kept():
    x = torch.randn(32, 64)
    assert kept_bytes(lambda: small(nn.ReLU())(x)) == 4 * (32 * 64 + 32 * 256 + 256 * 10) == 51_200
    assert kept_bytes(lambda: small(nn.GELU())(x)) == 51_200 + 4 * 32 * 256 == 83_968


def test_nothing_is_kept_without_a_graph_and_as_much_in_eval_as_in_train():
    x, net = torch.randn(32, 64), small(nn.ReLU())
    assert kept_bytes(lambda: net.eval()(x)) == kept_bytes(lambda: net.train()(x)) == 51_200
    with torch.no_grad():
        assert kept_bytes(lambda: net(x)) == 0
    net.requires_grad_(False)
    assert kept_bytes(lambda: net(x)) == 0


def test_freezing_the_first_half_keeps_less(net, X):
    net.eval()
    own = [*net.parameters(), *net.buffers()]
    whole = kept_bytes(lambda: net(X), own)
    for module in (net.layer1, net.bn1):
        module.requires_grad_(False)
    assert 0 < kept_bytes(lambda: net(X), own) < whole


def test_a_frozen_network_behind_a_trained_input_keeps_its_relu_outputs():
    net, x = small(nn.ReLU()).requires_grad_(False), torch.randn(32, 64, requires_grad=True)
    assert kept_bytes(lambda: net(x), net.parameters()) == 4 * 32 * 256  # the ReLU's output alone


# Memory and multiply-adds


def test_what_is_saved_grows_with_the_batch_and_parameters_do_not(net):
    def kept(batch):
        return kept_bytes(lambda: net.eval()(torch.randn(batch, 20)), [*net.parameters(), *net.buffers()])

    assert kept(16) == 16 * 848 and kept(128) == 128 * 848
    parameters = sum(p.nbytes for p in net.parameters())
    assert parameters == 14_596 and 17 * 848 < parameters < 18 * 848


def test_in_train_mode_a_patient_keeps_1360_bytes(net):
    def kept(batch):
        return kept_bytes(lambda: net.train()(torch.randn(batch, 20)), [*net.parameters(), *net.buffers()])

    assert kept(128) - kept(16) == 112 * 1360 and 10 * 1360 < 14_596 < 11 * 1360


def test_the_outputs_of_a_patient_take_1412_bytes(net, X):
    sizes = []
    leaves = [module for module in net.modules() if not list(module.children())]
    handles = [m.register_forward_hook(lambda module, inputs, output: sizes.append(output.nbytes)) for m in leaves]
    net.eval()(X)
    for handle in handles:
        handle.remove()
    assert sum(sizes) == 16 * 1412 and len(sizes) == 8


def test_adam_keeps_two_numbers_for_each_parameter():
    layer = nn.Linear(20, 64)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.randn(4, 20)).sum().backward()
    optimizer.step()
    state = optimizer.state[layer.weight]
    assert state["exp_avg"].shape == state["exp_avg_sq"].shape == layer.weight.shape
    assert layer.weight.grad.shape == layer.weight.shape
    plain = torch.optim.SGD(layer.parameters())
    plain.step()
    assert not any(isinstance(value, torch.Tensor) for value in plain.state[layer.weight].values())


def test_multiplications_of_a_pass_are_the_sizes_of_the_weights(net, X):
    net.eval()
    assert products(lambda: net(X)) == 16 * (20 * 64 + 64 * 32 + 32 * 1) == 16 * 3360 == 53760


def test_backward_takes_twice_as_many_apart_from_the_first_layers_input(net, X):
    loss = net.eval()(X).sum()
    assert products(loss.backward) == 16 * (2 * 3360 - 1280) == 16 * 5440
    assert 20 * 64 == 1280 and 2 * 3360 == 6720 and round(5440 / 3360, 1) == 1.6


def test_backward_through_a_frozen_body_takes_one_product(net, X):
    net.eval().requires_grad_(False)
    net.layer3.requires_grad_(True)
    loss = net(X).sum()
    assert products(loss.backward) == 16 * 32 * 1


def test_a_convolution_multiplies_at_each_place():
    conv, images = nn.Conv2d(3, 8, 3, padding=1, bias=False), torch.randn(1, 3, 32, 32)
    assert products(lambda: conv(images)) == 32 * 32 * 8 * 27 == 221_184
    assert conv.weight[0].numel() == 27
    assert sum(p.numel() for p in conv.parameters()) == 216


def test_shapes_can_be_had_without_computing():
    huge = nn.Linear(100_000, 100_000, device="meta")
    assert huge(torch.zeros(16, 100_000, device="meta")).shape == (16, 100_000)


# Checkpointing


def block():
    return nn.Sequential(nn.Linear(20, 64), nn.GELU(), nn.Linear(64, 64), nn.GELU())


def test_checkpointing_keeps_less_and_runs_the_first_layer_twice(X):
    layers, runs = block(), []
    layers[0].register_forward_hook(lambda *call: runs.append("run"))
    plain = kept_bytes(lambda: layers(X), layers.parameters())
    less = kept_bytes(lambda: checkpoint(layers, X, use_reentrant=False), layers.parameters())
    assert 0 < less < plain / 4
    runs.clear()
    checkpoint(layers, X, use_reentrant=False).sum().backward()
    assert len(runs) == 2


@pytest.mark.parametrize(
    ("reentrant", "runs"),
    [(False, {"": 1, "0": 2, "1": 2, "2": 2, "3": 1}), (True, {"": 2, "0": 2, "1": 2, "2": 2, "3": 2})],
)
def test_the_second_run_of_a_checkpoint_stops_when_the_last_saved_tensor_is_there(X, reentrant, runs):
    layers = nn.Sequential(nn.Linear(20, 64), nn.BatchNorm1d(64), nn.GELU(), nn.Linear(64, 64))
    counted = dict.fromkeys(("", "0", "1", "2", "3"), 0)

    def count(name):
        def hook(module, args, output):
            counted[name] += 1

        return hook

    for name, module in layers.named_modules():
        module.register_forward_hook(count(name))
    checkpoint(layers, X.requires_grad_(), use_reentrant=reentrant).sum().backward()
    assert counted == runs


def test_checkpointing_gives_the_same_gradients(X):
    layers = block()
    layers(X).sum().backward()
    plain = [p.grad.clone() for p in layers.parameters()]
    layers.zero_grad()
    checkpoint(layers, X, use_reentrant=False).sum().backward()
    assert all(torch.allclose(p.grad, g) for p, g in zip(layers.parameters(), plain, strict=True))


def test_checkpointing_restores_the_random_state_for_dropout():
    drop, x = nn.Dropout(0.5), torch.ones(1000, requires_grad=True)
    output = checkpoint(drop, x, use_reentrant=False)
    torch.rand(7)  # other draws in between
    output.sum().backward()
    assert torch.equal(x.grad, output.detach())  # the same units were dropped


def test_checkpointing_does_not_restore_pythons_random_state():
    factors = []

    def scaled(x):
        factors.append(random.random())
        return (x * factors[-1]).exp()

    checkpoint(scaled, torch.ones(3, requires_grad=True), use_reentrant=False).sum().backward()
    assert len(factors) == 2 and factors[0] != factors[1]


def test_checkpointing_moves_batchnorms_statistics_twice(X):
    bn = nn.BatchNorm1d(20)
    checkpoint(bn, X, use_reentrant=False).sum().backward()
    assert bn.num_batches_tracked == 2


# Mixed precision


def test_autocast_computes_in_bfloat16_and_leaves_the_weights_in_float32(X):
    layer = nn.Linear(20, 64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = layer(X)
    output.float().sum().backward()
    assert output.dtype == torch.bfloat16
    assert layer.weight.dtype == layer.weight.grad.dtype == torch.float32


def test_autocast_computes_a_loss_in_float32(X):
    layer = nn.Linear(20, 1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert F.mse_loss(layer(X), torch.zeros(16, 1)).dtype == torch.float32


def test_autocast_keeps_half_of_the_bytes_of_a_hidden_input():
    layers, x = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 1)), torch.randn(4096, 8)

    def forward():
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return layers(x)

    hidden = 4096 * 64  # the ReLU's output, which is also the last layer's input
    full, half = kept_bytes(lambda: layers(x), layers.parameters()), kept_bytes(forward, layers.parameters())
    assert full == 4 * (hidden + x.numel())
    assert 2 * hidden < half < 0.6 * full


def test_autocast_keeps_low_precision_copies_of_weights():
    layer, x = nn.Linear(256, 256), torch.randn(16, 256, requires_grad=True)

    def forward():
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return layer(x)

    assert kept_bytes(lambda: layer(x), layer.parameters()) == 4 * 16 * 256
    assert kept_bytes(forward, layer.parameters()) == 2 * (16 * 256 + 256 * 256) == 139_264


def test_scaling_the_loss_keeps_small_gradients_from_becoming_0():
    def gradient(scale):
        w = torch.tensor(1.0, dtype=torch.float16, requires_grad=True)
        small = torch.tensor(1e-4, dtype=torch.float16)
        (((w * small) * small) * scale).backward()
        return w.grad

    assert gradient(torch.tensor(1.0).half()) == 0  # 1e-8 is no number of float16's
    assert torch.isclose(gradient(torch.tensor(1024.0).half()).float() / 1024, torch.tensor(1e-8), rtol=0.1)


def test_a_small_update_is_lost_in_bfloat16():
    assert torch.tensor(1.0).bfloat16() + torch.tensor(1e-3).bfloat16() == 1
    assert torch.tensor(1.0) + torch.tensor(1e-3) > 1


# In-place operations


def test_writing_over_a_saved_tensor_raises_in_backward():
    w = torch.ones(3, requires_grad=True)
    a = torch.exp(w)  # saves its output
    a.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        a.sum().backward()


def test_anomaly_detection_shows_the_forward_line():
    w = torch.ones(3, requires_grad=True)
    with pytest.warns(UserWarning, match="Traceback of forward call"), torch.autograd.set_detect_anomaly(True):
        made_here = torch.exp(w)
        made_here.add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            made_here.sum().backward()


def test_writing_over_a_tensor_that_is_not_saved_raises_nothing():
    w = torch.ones(3, requires_grad=True)
    a = w + 1  # saves nothing
    a.mul_(2)
    a.sum().backward()
    assert w.grad.tolist() == [2, 2, 2]


def test_each_write_in_place_is_counted():
    a = torch.ones(3)
    assert a._version == 0
    a.add_(1)
    assert a._version == 1
    b = a.detach()
    b.add_(1)
    assert a._version == 2  # shared with what shares the memory


def test_a_relu_in_place_changes_what_a_skip_connection_adds(X):
    layer = nn.Linear(20, 20)

    def block(inplace):
        h = layer(X)
        return F.relu(h, inplace=inplace) + h

    assert not torch.allclose(block(inplace=True), block(inplace=False))
    block(inplace=True).sum().backward()  # and raises nothing
    h = layer(X)
    normed = F.layer_norm(h, (20,))  # saves h
    F.relu(h, inplace=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        normed.square().sum().backward()


def test_a_write_through_numpy_is_not_counted():
    w = torch.ones(3, requires_grad=True)
    a = w.exp()
    a.detach().numpy()[:] = 100
    a.sum().backward()
    assert a._version == 0 and (w.grad == 100).all()


def test_a_write_through_data_is_not_noticed_and_the_gradient_is_wrong():
    w = torch.ones(3, requires_grad=True)
    a = torch.exp(w)
    a.data.add_(1)
    a.sum().backward()
    assert torch.allclose(w.grad, torch.full((3,), math.e + 1))  # e would be right


def test_a_leaf_that_asks_is_written_to_under_no_grad_alone():
    w = torch.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        w.add_(1)
    with torch.no_grad():
        w.add_(1)
    assert w.requires_grad and w.tolist() == [2, 2, 2]


def test_a_relu_in_place_after_a_linear_layer_trains(X):
    layers = nn.Sequential(nn.Linear(20, 64), nn.ReLU(inplace=True), nn.Linear(64, 1))
    layers(X).sum().backward()
    assert layers[0].weight.grad.abs().sum() > 0


def test_a_relu_in_place_overwrites_what_a_hook_kept_detached_and_not_a_clone(X):
    layers, kept = nn.Sequential(nn.Linear(20, 64), nn.ReLU(inplace=True)), {}

    def keep(module, inputs, output):
        kept.update(detached=output.detach(), cloned=output.detach().clone())

    layers[0].register_forward_hook(keep)
    layers(X)
    assert kept["detached"].min() == 0 and kept["cloned"].min() < 0


# Hooks


def test_forward_skips_the_models_own_hooks_and_its_childrens_still_run(net, X):
    ran = []
    net.register_forward_hook(lambda *call: ran.append("model"))
    net.layer1.register_forward_hook(lambda *call: ran.append("layer1"))
    net(X)
    assert ran == ["layer1", "model"]
    ran.clear()
    net.forward(X)
    assert ran == ["layer1"]


def test_keyword_arguments_reach_a_hook_with_kwargs_alone(net, X):
    seen = []
    net.register_forward_hook(lambda module, args, output: seen.append(args))
    net.register_forward_hook(lambda module, args, kwargs, output: seen.append(list(kwargs)), with_kwargs=True)
    net(x=X)
    assert seen == [(), ["x"]]


def test_what_an_lstm_or_an_attention_gives_its_hook_is_a_tuple():
    kinds = {nn.LSTM(8, 8, batch_first=True): 1, nn.MultiheadAttention(8, 2, batch_first=True): 3}
    x, outputs = torch.randn(2, 5, 8), []
    for module, inputs in kinds.items():
        module.register_forward_hook(lambda module, args, output: outputs.append(output))
        module(*[x] * inputs)
    assert [type(output) for output in outputs] == [tuple, tuple]
    assert all(isinstance(output[0], torch.Tensor) for output in outputs)


def test_both_calls_give_the_same_output(net, X):
    net.eval()
    assert torch.equal(net(X), net.forward(X)) and nodes(net(X)) == nodes(net.forward(X))


def test_a_hook_gets_module_inputs_and_output_and_stays_until_removed(X):
    layer, seen = nn.Linear(20, 64), []
    handle = layer.register_forward_hook(lambda module, inputs, output: seen.append((module, inputs[0], output.shape)))
    layer(X)
    [(module, given, shape)] = seen
    assert module is layer and given is X and shape == (16, 64)
    handle.remove()
    layer(X)
    assert len(seen) == 1 and not layer._forward_hooks


def test_a_hook_stays_when_its_handle_goes_and_when_forward_raises(net, X):
    ran = []
    net.layer1.register_forward_hook(lambda *call: ran.append("run"))
    gc.collect()
    with pytest.raises(RuntimeError):
        net(X[:, :19])
    assert len(net.layer1._forward_hooks) == 1 and ran == []  # it failed before its hook
    net(X)
    assert ran == ["run"]


def test_what_a_hook_returns_replaces_the_output(X):
    layer = nn.Linear(20, 64)
    layer.register_forward_hook(lambda module, inputs, output: output * 0)
    assert layer(X).abs().max() == 0


def test_a_deep_copy_copies_the_hooks(X):
    layer, ran = nn.Linear(20, 64), []
    layer.register_forward_hook(lambda *call: ran.append("run"))
    copy.deepcopy(layer)(X)
    assert ran == ["run"]


def test_a_module_called_twice_runs_its_hook_twice_and_a_name_keeps_the_last(net, X):
    by_name, calls = {}, []

    def keep(module, inputs, output):
        by_name["relu"] = tuple(output.shape)
        calls.append(tuple(output.shape))

    net.relu.register_forward_hook(keep)
    net(X)
    assert calls == [(16, 64), (16, 32)] and by_name == {"relu": (16, 32)}


def test_modules_are_listed_in_the_order_of_their_making_and_called_in_another(net, X):
    listed = [name for name, module in net.named_modules() if name]
    called = []
    for name, module in net.named_modules():
        if name:
            module.register_forward_hook(lambda *call, name=name: called.append(name))
    net(X)
    assert called == ["layer1", "bn1", "relu", "drop", "layer2", "bn2", "relu", "layer3"]
    assert listed != called and len(listed) == 7 and len(called) == 8


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer1, self.layer2 = nn.Linear(20, 64), nn.Linear(64, 1)

    def forward(self, x):
        return self.layer2(torch.relu(self.layer1(x))) + 1


def test_a_function_is_in_the_graph_and_in_no_hook(X):
    model, called = Functional(), []
    for name, module in model.named_children():
        module.register_forward_hook(lambda *call, name=name: called.append(name))
    output = model(X)
    assert called == ["layer1", "layer2"]
    assert {"ReluBackward0", "AddBackward0"} <= set(nodes(output))


def test_a_relu_behind_frozen_layers_has_no_node(net, X):
    net.layer1.requires_grad_(False), net.bn1.requires_grad_(False)
    assert nodes(net(X)).count("ReluBackward0") == 1
    assert nodes(net(X.requires_grad_())).count("ReluBackward0") == 2


def test_calls_are_made_without_a_graph_too(net, X):
    called = []
    for module in net.children():
        module.register_forward_hook(lambda *call: called.append("call"))
    with torch.no_grad():
        assert net(X).grad_fn is None
    assert len(called) == 8


def test_the_graph_has_nodes_that_no_module_is(net, X):
    names = nodes(net.eval()(X))
    assert names.count("TBackward0") == 3 and names.count("torch::autograd::AccumulateGrad") == 10
    assert len(names) == 20


# Initialisation and dead units


def trained_from_equal_weights(X, optimizer, p=0.0):
    """The first weight, (64, 20), after 50 steps from weights that were all 0.1."""
    layers, y = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Dropout(p), nn.Linear(64, 1)), torch.randn(16, 1)
    for parameter in layers.parameters():
        nn.init.constant_(parameter, 0.1)
    optimizer = optimizer(layers.parameters(), lr=0.01)
    for _ in range(50):
        optimizer.zero_grad()
        F.mse_loss(layers(X), y).backward()
        optimizer.step()
    assert (layers[0].weight - 0.1).abs().max() > 0.01
    return layers[0].weight


def test_units_that_start_equal_stay_equal(X):
    weight = trained_from_equal_weights(X, torch.optim.SGD)
    assert torch.allclose(weight, weight[:1].expand(64, 20), atol=1e-5)


def test_adam_does_not_break_the_symmetry(X):
    weight = trained_from_equal_weights(X, torch.optim.Adam)
    assert torch.allclose(weight, weight[:1].expand(64, 20), atol=1e-5)


def test_dropout_breaks_the_symmetry_of_equal_weights_right_behind_them(X):
    weight = trained_from_equal_weights(X, torch.optim.SGD, p=0.3)
    assert (weight - weight[0]).abs().max() > 1e-3
    before = trained_from_equal_weights(F.dropout(X, 0.3), torch.optim.SGD)  # on the input: no unit is singled out
    assert torch.allclose(before, before[:1].expand(64, 20), atol=1e-5)


def test_with_everything_at_0_and_balanced_targets_nothing_moves(net, X):
    for p in net.parameters():
        nn.init.zeros_(p)
    F.binary_cross_entropy_with_logits(net(X)[:, 0], torch.arange(16) % 2.0).backward()
    assert not any(p.grad.any() for p in net.parameters())


def test_with_everything_at_0_the_last_bias_alone_moves(X):
    layers = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 1))
    for p in layers.parameters():
        nn.init.zeros_(p)
    F.mse_loss(layers(X), torch.ones(16, 1)).backward()
    assert [name for name, p in layers.named_parameters() if p.grad.abs().max() > 0] == ["2.bias"]


def deep(start, bias=True, depth=10, width=256):
    """The outputs of ten ReLU layers for 512 random rows."""
    x, outputs = torch.randn(512, width), []
    with torch.no_grad():
        for _ in range(depth):
            layer = nn.Linear(width, width, bias=bias)
            start(layer)
            x = torch.relu(layer(x))
            outputs.append(x)
    return outputs


def he(layer):
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)


def test_he_keeps_the_size_through_ten_relu_layers_and_small_weights_lose_it():
    outputs = deep(he)
    assert 0.4 < outputs[-1].std() / outputs[0].std() < 2.5
    assert deep(lambda layer: nn.init.normal_(layer.weight, std=0.01), bias=False)[-1].std() < 1e-6


def test_he_is_the_square_root_of_2_over_the_inputs():
    layer = nn.Linear(256, 256)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    assert abs(layer.weight.std() / math.sqrt(2 / 256) - 1) < 0.02


def spread(outputs):
    """The std over the batch, averaged over the units, and its ratio to the root mean square of all."""
    over_batch = outputs.std(0, correction=0).mean()
    return over_batch, over_batch / outputs.square().mean().sqrt()


def likeness(outputs):
    """The mean cosine between rows of the first half and of the second."""
    directions = outputs.double() / outputs.double().norm(dim=1, keepdim=True)
    return (directions[:256] * directions[256:]).sum(1).mean()


def test_the_default_weights_make_rows_alike_through_ten_relu_layers():
    outputs = deep(lambda layer: None)
    assert spread(outputs[-1])[1] == pytest.approx(0.002, abs=0.001) and spread(outputs[0])[1] > 0.5
    assert likeness(outputs[-1]) > 0.9999
    assert outputs[-1].std() > 100 * outputs[-1].std(0).mean()  # what is left over all elements are the biases


def test_the_scale_of_the_weights_changes_the_spread_and_no_angle():
    over_batch, ratios, likenesses = [], [], []
    for std in (0.01, math.sqrt(2 / 256), 0.2):
        torch.manual_seed(0)
        rows = deep(lambda layer, std=std: nn.init.normal_(layer.weight, std=std), bias=False)[-1].double()
        over_batch.append(spread(rows)[0])
        ratios.append(spread(rows)[1])
        likenesses.append(likeness(rows))
    assert over_batch[0] < 1e-9 < 0.1 < over_batch[1] < 1 < 100 < over_batch[2]
    assert max(ratios) - min(ratios) < 1e-4 and max(likenesses) - min(likenesses) < 1e-5


def test_the_spread_over_the_batch_falls_where_the_spread_over_all_stays():
    outputs = deep(he)
    assert outputs[-1].std(0).mean() < 0.6 * outputs[0].std(0).mean()
    assert outputs[-1].std() > 0.5 * outputs[0].std()


def test_rows_become_alike_with_depth():
    outputs = deep(he)
    assert likeness(outputs[0]) < 0.5 < 0.8 < likeness(outputs[-1])
    assert spread(outputs[0])[1] == pytest.approx(0.8, abs=0.05) and spread(outputs[-1])[1] == pytest.approx(
        0.3, abs=0.07
    )


def test_half_of_a_fresh_relus_outputs_are_0_and_no_unit_is_dead():
    x = torch.relu(nn.Linear(20, 64)(torch.randn(2048, 20)))
    zero = x == 0
    assert 0.4 < zero.float().mean() < 0.6 and not zero.all(0).any()


def test_a_unit_that_is_0_on_a_batch_may_fire_on_more_data():
    unit = nn.Linear(20, 1)
    nn.init.normal_(unit.weight)
    nn.init.constant_(unit.bias, -7.0)
    fires = torch.relu(unit(torch.randn(4096, 20))) > 0
    assert not fires[:16].any() and fires.any()


def test_a_dead_unit_gets_no_gradient():
    layers, x = nn.Sequential(nn.Linear(20, 4), nn.ReLU(), nn.Linear(4, 1)), torch.randn(256, 20)
    with torch.no_grad():
        layers[0].bias[0] = -100.0
    F.mse_loss(layers(x), torch.randn(256, 1)).backward()
    assert layers[0].weight.grad[0].abs().max() == 0 and layers[0].bias.grad[0] == 0
    assert layers[0].weight.grad[1:].abs().max() > 0 and layers[2].weight.grad[0, 0] == 0


def test_a_dead_unit_behind_another_layer_can_wake():
    layers, x = nn.Sequential(nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 4), nn.ReLU()), torch.randn(256, 20)
    with torch.no_grad():
        layers[2].weight[0] = 1.0
        layers[2].bias[0] = -100.0
        assert layers(x)[:, 0].max() == 0
        layers[0].bias.add_(20.0)  # what reaches the unit moves; its own numbers stay
        assert layers(x)[:, 0].max() > 0


DEAD = 3  # the unit of ``a_unit_at_minus_10`` that no row of ``x`` lifts above 0


def a_unit_at_minus_10():
    layers, x = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 1)), torch.randn(256, 20)
    with torch.no_grad():
        layers[0].bias[DEAD] = -10.0
    return layers, x, torch.randn(256, 1)


def fires_within(steps, layers, x, y, optimizer) -> bool:
    for _ in range(steps):
        optimizer.zero_grad()
        F.mse_loss(layers(x), y).backward()
        optimizer.step()
        if (layers[0](x)[:, DEAD] > 0).any():
            return True
    return False


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW], ids=["SGD", "AdamW"])
def test_weight_decay_revives_a_dead_unit_only_where_the_bias_decays_faster(optimizer):
    layers, x, y = a_unit_at_minus_10()
    size = layers[0].weight[DEAD].norm().item()
    assert not fires_within(1000, layers, x, y, optimizer(layers.parameters(), lr=0.02, weight_decay=0.5))
    assert layers[0].weight[DEAD].norm() < 0.1 * size and layers[0].bias[DEAD] < 0
    layers, x, y = a_unit_at_minus_10()
    weights, biases = [layers[0].weight, layers[2].weight], [layers[0].bias, layers[2].bias]
    groups = [{"params": weights, "weight_decay": 0.0}, {"params": biases, "weight_decay": 0.5}]
    assert fires_within(1000, layers, x, y, optimizer(groups, lr=0.02))


def test_the_weight_decay_of_adam_is_scaled_and_can_revive_a_dead_unit():
    layers, x, y = a_unit_at_minus_10()
    with torch.no_grad():
        layers[0].bias[DEAD] = -3.0
        assert layers[0](x)[:, DEAD].max() < 0
    assert fires_within(2000, layers, x, y, torch.optim.Adam(layers.parameters(), lr=0.02, weight_decay=0.5))


def test_a_unit_dead_in_eval_mode_can_fire_and_learn_in_train_mode(net):
    x, outputs = torch.randn(512, 20), []
    with torch.no_grad():
        net.bn2.bias[20] = -1.5
    net.relu.register_forward_hook(lambda module, args, output: outputs.append(output))
    net.eval()(x)
    assert (outputs[-1][:, 20] == 0).all()
    net.train()(x).square().sum().backward()
    assert 0 < (outputs[-1][:, 20] > 0).sum() < 100
    assert net.layer2.weight.grad[20].abs().sum() > 0


@pytest.mark.parametrize(
    ("optimizer", "moves"),
    [
        (lambda parameters: torch.optim.SGD(parameters, lr=0.1), False),
        (lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9), True),
        (lambda parameters: torch.optim.Adam(parameters, lr=0.01), True),
    ],
    ids=["SGD", "momentum", "Adam"],
)
def test_momentum_and_adam_move_a_dead_unit_for_some_more_steps(optimizer, moves):
    layers, x, y = a_unit_at_minus_10()
    with torch.no_grad():
        layers[0].bias[DEAD] = 0.0  # alive, for the first steps
    optimizer = optimizer(layers.parameters())
    fires_within(1, layers, x, y, optimizer)
    with torch.no_grad():
        layers[0].bias[DEAD] = -100.0
    before = layers[0].weight[DEAD].clone()
    assert not fires_within(5, layers, x, y, optimizer) and not layers[0].weight.grad[DEAD].any()
    assert (not torch.equal(before, layers[0].weight[DEAD])) == moves


def test_leaky_relu_has_a_slope_for_negative_inputs():
    x = torch.tensor([-3.0], requires_grad=True)
    F.leaky_relu(x, 0.01).backward()
    assert torch.isclose(x.grad, torch.tensor([0.01]))


def test_sigmoids_slope_is_a_quarter_at_most():
    z = torch.linspace(-10, 10, 2001, requires_grad=True)
    torch.sigmoid(z).sum().backward()
    assert z.grad.max() == 0.25 and z.grad[0] < 1e-4
