"""Wrong answers to the exercises of this chapter, as people give them."""

import torch

from fpcourse import get_intermediate_activations, in_mode


def activations_of(model, layer, batches):
    with in_mode(model, "eval"):
        return [get_intermediate_activations(model, batch, [layer])[layer] for batch in batches]


def zero_throughout(a):
    return (a == 0).all(0).nonzero().flatten().tolist()


def last_batch_alone(model, layer, batches):
    for a in activations_of(model, layer, batches):
        silent = zero_throughout(a)
    return silent


def returns_inside_the_loop(model, layer, batches):
    for a in activations_of(model, layer, batches):
        return zero_throughout(a)


def zero_in_any_batch(model, layer, batches):
    return sorted({unit for a in activations_of(model, layer, batches) for unit in zero_throughout(a)})


def zero_for_any_sample(model, layer, batches):
    return (torch.cat(activations_of(model, layer, batches)) == 0).any(0).nonzero().flatten().tolist()


def zero_for_most(model, layer, batches):
    zeros = (torch.cat(activations_of(model, layer, batches)) == 0).float().mean(0)
    return (zeros > 0.5).nonzero().flatten().tolist()


def not_above_zero(model, layer, batches):
    return (torch.cat(activations_of(model, layer, batches)) <= 0).all(0).nonzero().flatten().tolist()


def in_the_mode_at_hand(model, layer, batches):
    kept = [get_intermediate_activations(model, batch, [layer])[layer] for batch in batches]
    return zero_throughout(torch.cat(kept))


def a_mask(model, layer, batches):
    return (torch.cat(activations_of(model, layer, batches)) == 0).all(0)


def a_count(model, layer, batches):
    return len(zero_throughout(torch.cat(activations_of(model, layer, batches))))


def a_count_in_a_list(model, layer, batches):
    return [a_count(model, layer, batches)]


def zero_for_a_sample(model, layer, batches):
    return (torch.cat(activations_of(model, layer, batches)) == 0).all(1).nonzero().flatten().tolist()


def not_flat(model, layer, batches):
    return (torch.cat(activations_of(model, layer, batches)) == 0).all(0).nonzero().tolist()


def eval_left_on(model, layer, batches):
    model.eval()
    return zero_throughout(torch.cat(activations_of(model, layer, batches)))


def train_called_afterwards(model, layer, batches):
    was = model.training
    model.eval()
    silent = zero_throughout(torch.cat(activations_of(model, layer, batches)))
    model.train(was)
    return silent


def hook_left_on(model, layer, batches):
    silent = zero_throughout(torch.cat(activations_of(model, layer, batches)))
    model.get_submodule(layer).register_forward_hook(lambda module, inputs, output: None)
    return silent


def statistics_moved(model, layer, batches):
    silent = zero_throughout(torch.cat(activations_of(model, layer, batches)))
    with in_mode(model, "train"):
        model(batches[0])
    return silent


def streaming(update):
    """A wrong answer: a hook that keeps the parts in ``kept`` and lets ``update`` write into ``found``."""

    def answer(found):
        kept = []

        def hook(module, inputs, output):
            kept.append(output.detach().clone())
            return update(found, kept)

        return hook

    answer.__name__ = update.__name__
    return answer


def write(found, mean, std):
    found.update(mean=mean, std=std)


@streaming
def the_last_batch(found, kept):
    write(found, kept[-1].mean(0), kept[-1].std(0, correction=0))


@streaming
def mean_of_means(found, kept):
    write(found, torch.stack([part.mean(0) for part in kept]).mean(0), kept[-1].std(0, correction=0))


@streaming
def mean_of_stds(found, kept):
    stds = torch.stack([part.std(0, correction=0) for part in kept])
    write(found, torch.cat(kept).mean(0), stds.mean(0))


@streaming
def unbiased(found, kept):
    rows = torch.cat(kept)
    write(found, rows.mean(0), rows.std(0))


@streaming
def the_variance(found, kept):
    rows = torch.cat(kept)
    write(found, rows.mean(0), rows.var(0, correction=0))


@streaming
def over_all_elements(found, kept):
    rows = torch.cat(kept)
    write(found, rows.mean(), rows.std(correction=0))


@streaming
def replaces_the_output(found, kept):
    return kept[-1] * 0


@streaming
def other_keys(found, kept):
    rows = torch.cat(kept)
    found.update(average=rows.mean(0), std=rows.std(0, correction=0))


@streaming
def keeps_the_batches(found, kept):
    rows = torch.cat(kept).double()
    write(found, rows.mean(0), rows.std(0, correction=0))


def squares_in_float32(found):
    sums = [0, 0.0, 0.0]

    def hook(module, inputs, output):
        for at, more in enumerate((len(output), output.detach().sum(0), (output.detach() ** 2).sum(0))):
            sums[at] = sums[at] + more
        mean = sums[1] / sums[0]
        write(found, mean, (sums[2] / sums[0] - mean**2).sqrt())

    return hook


def with_the_graph(found):
    sums = [0, 0.0, 0.0]

    def hook(module, inputs, output):
        for at, more in enumerate((len(output), output.double().sum(0), (output.double() ** 2).sum(0))):
            sums[at] = sums[at] + more
        mean = sums[1] / sums[0]
        write(found, mean, (sums[2] / sums[0] - mean**2).clamp(min=0).sqrt())

    return hook


def moves_the_mean_first(found):
    found.update(count=0, mean=0.0, squares=0.0)

    def hook(module, inputs, output):
        rows, n, k = output.detach(), found["count"], len(output)
        b = rows.mean(0)
        found["mean"] = found["mean"] + (b - found["mean"]) * k / (n + k)
        found["squares"] = found["squares"] + ((rows - b) ** 2).sum(0) + (b - found["mean"]) ** 2 * n * k / (n + k)
        found["count"] = n + k
        found["std"] = (found["squares"] / (n + k)).sqrt()

    return hook


def unbiased_in_each_batch(found):
    found.update(count=0, mean=0.0, squares=0.0)

    def hook(module, inputs, output):
        rows, n, k = output.detach(), found["count"], len(output)
        step = rows.mean(0) - found["mean"]
        squares = rows.double().var(0).float() * (k - 1) if k > 1 else torch.full_like(step, torch.nan)
        found["squares"] = found["squares"] + squares + step**2 * n * k / (n + k)
        found["mean"] = found["mean"] + step * k / (n + k)
        found["count"] = n + k
        found["std"] = (found["squares"] / (n + k)).sqrt()

    return hook


def no_hook(found):
    found.update(mean=torch.zeros(3), std=torch.ones(3))
    return found


def he(activation, rows):
    return 2**0.5


def one(activation, rows):
    return 1.0


def the_default(activation, rows):
    return 3**-0.5


def std_of_the_weights(activation, rows):
    return 1.58 / rows.shape[1] ** 0.5


def after_one_layer(activation, rows):
    width = rows.shape[1]
    out = activation(rows @ torch.randn(width, width).T / width**0.5)
    return (rows.std(0, correction=0).mean() / out.std(0, correction=0).mean()).item()


def far_too_large(activation, rows):
    return 3.0


def a_little_small(activation, rows):
    return 1.2


def a_string(activation, rows):
    return "1.58"


def negative(activation, rows):
    return -1.58


TRAIN_MODE = "That is so in train mode"
LAST = "the last batch alone; a unit of this list fires in an earlier one"

WRONG = {
    "dead_units": [
        (last_batch_alone, LAST, 20),
        (returns_inside_the_loop, "does it return inside the loop?", 20),
        (zero_in_any_batch, "0 for all of one batch: they fire in another one", 20),
        (zero_for_any_sample, "0 for at least one sample", None),
        (zero_for_most, "0 for most samples", None),
        (not_above_zero, "below 0 counts as 0 here", None),
        (in_the_mode_at_hand, TRAIN_MODE, None),
        (a_mask, "From a mask, .nonzero()", None),
        (a_count, "which units, not how many", None),
        (zero_for_a_sample, "Is it from .all(1)?", None),
        (a_count_in_a_list, "asked are the indices of these units", None),
        (not_flat, ".flatten() comes before .tolist()", None),
        (eval_left_on, "eval() was left on", None),
        (train_called_afterwards, "also on a frozen one", None),
        (hook_left_on, "the hooks of act changed", 13),
        (statistics_moved, "moves running statistics", 14),
    ],
    "streaming_hook": [
        (the_last_batch, "the last batch alone", None),
        (mean_of_means, "the plain average over the batches", None),
        (mean_of_stds, "The batches' means differ too", None),
        (unbiased, "divides by n − 1", None),
        (the_variance, "It is the variance", None),
        (over_all_elements, "one number over all elements", 22),
        (moves_the_mean_first, "move the mean after the sum", None),
        (unbiased_in_each_batch, "It is nan", None),
        (replaces_the_output, "returns replaces the output", None),
        (other_keys, "found['mean'] is NoneType", None),
        (squares_in_float32, "loses its digits here", None),
        (with_the_graph, "detach first", None),
        (keeps_the_batches, "keeps the batches themselves", None),
        (no_hook, "a function hook(module, inputs, output)", None),
    ],
    "keeping_gain": [
        (he, "He's √2", 22),
        (one, "layers without an activation", None),
        (the_default, "torch's default weights", 23),
        (std_of_the_weights, "times √width", None),
        (after_one_layer, "from the rows to layer 1", None),
        (far_too_large, "too large", None),
        (a_little_small, "too small", None),
        (a_string, "one number, the gain", None),
        (negative, "a gain above 0", None),
    ],
}
