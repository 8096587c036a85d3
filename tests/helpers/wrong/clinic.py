"""Wrong answers to the clinic's cases, as people give them."""

import copy

import torch
from torch import nn
from torch.nn import functional as F

from fpcourse import capture, get_intermediate_activations, in_mode, layer_statistics


def its_own_flag_alone(model, X):
    return ["model"] if model.training else []


def every_leaf_in_train_mode(model, X):
    return [name for name, module in model.named_modules() if module.training and not list(module.children())]


def by_type_and_flag(model, X):
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, (nn.BatchNorm1d, nn.Dropout)) and module.training
    ]


def by_type(model, X):
    return [name for name, module in model.named_modules() if isinstance(module, (nn.BatchNorm1d, nn.Dropout))]


def two_passes_compared(model, X):
    found = []
    for name, module in model.named_modules():
        if module.training and not list(module.children()):
            copied = copy.deepcopy(model).eval()
            copied.get_submodule(name).train()
            if not torch.equal(copied(X), copied(X)):
                found.append(name)
    return found


def the_model_among_its_modules(model, X):
    awake = []
    with torch.no_grad():
        right = copy.deepcopy(model).eval()(X)
        for name, module in model.named_modules():
            copied = copy.deepcopy(model).eval()
            if module.training:
                copied.get_submodule(name).train()
            if not torch.equal(copied(X), right):
                awake.append(name)
    return awake


def leaves_the_model_in_eval_mode(model, X):
    return [name for name, module in model.eval().named_modules() if module.training]


def moves_the_statistics(model, X):
    with torch.no_grad():
        model(X)
    return []


def eval_mode_then_sigmoid(model, X):
    with in_mode(model, "eval"), torch.no_grad():
        return torch.sigmoid(model(X))


def the_models_output(model, X):
    with torch.no_grad():
        return model(X)


def the_range_decides(model, X):
    with torch.no_grad():
        out = model(X)
    return out if ((out >= 0) & (out <= 1)).all() else torch.sigmoid(out)


def the_last_layer_alone(model, X):
    return get_intermediate_activations(model, X, ["layer3"])["layer3"]


def risk_without_its_axis(model, X):
    return torch.sigmoid(get_intermediate_activations(model, X, ["layer3"])["layer3"]).flatten()


def broadcast(model, X, y):
    z = model(X)
    return (F.softplus(z) - y * z).mean()


def summed(model, X, y):
    z, y = model(X).flatten(), y.flatten()
    return (F.softplus(z) - y * z).sum()


def with_a_sigmoid_before(model, X, y):
    return F.binary_cross_entropy_with_logits(torch.sigmoid(model(X).flatten()), y.flatten())


def squared(model, X, y):
    return (torch.sigmoid(model(X).flatten()) - y.flatten()).square().mean()


def as_a_number(model, X, y):
    return F.binary_cross_entropy_with_logits(model(X).flatten(), y.flatten()).item()


def one_label_for_all(model, X, y):
    z, y = model(X).flatten(), y.flatten()
    return (F.softplus(z) - y * z).mean()


def the_linear_before(model, X):
    name = whole_layer(model, X)
    return name and name.replace("relu", "layer")


def whole_layer(model, X):
    rows = [row for row in layer_statistics(model, X) if row.dead_units == row.units]
    return rows[0].label if rows else None


def the_last(model, X):
    rows = [row for row in layer_statistics(model, X) if row.dead_units == row.units]
    return rows[-1].label if rows else None


def all_of_them(model, X):
    return [row.label for row in layer_statistics(model, X) if row.dead_units == row.units] or None


def the_first_16_patients(model, X):
    return whole_layer(model, X[:16])


def any_dead_unit(model, X):
    rows = [row for row in layer_statistics(model, X) if row.dead_units]
    return rows[0].label if rows else None


def the_first_constant(model, X):
    rows = [row for row in layer_statistics(model, X) if row.std_over_batch == 0]
    return rows[0].label if rows else None


def the_layer_without_spread(model, X):
    captured = get_intermediate_activations(model, X, [name for name, _ in model.named_children()])
    return next(
        (label for label, a in captured.items() if label.startswith(("relu", "out")) and a.max() - a.min() < 1e-6), None
    )


def never_found(model, X):
    rows = [row for row in layer_statistics(model, X) if row.zero_fraction != row.zero_fraction]
    return rows[0].label if rows else None


def norms(model):
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm1d)]


def only_eval(model, X):
    model.eval()
    with torch.no_grad():
        model(X)
    return model


def only_reset(model, X):
    for bn in norms(model):
        bn.reset_running_stats()
    return model


def one_pass(model, X):
    model.train()
    model.drop.eval()
    with torch.no_grad():
        model(X)
    return model.eval()


def reset_and_one_pass(model, X):
    return one_pass(only_reset(model, X), X)


def with_dropout(model, X):
    for bn in norms(only_reset(model, X)):
        bn.momentum = None
    model.train()
    with torch.no_grad():
        model(X)
    return model.eval()


def both_at_once(model, X):
    with torch.no_grad(), capture(model, ["layer1", "layer2"]) as z:
        model(X)
    for bn, values in zip(norms(model), (z["layer1"], z["layer2"]), strict=True):
        bn.running_mean.copy_(values.mean(0))
        bn.running_var.copy_(values.var(0))
    return model


def momentum_left_at_1(model, X):
    for bn in norms(model.eval()):
        bn.train()
        bn.momentum = 1.0
    with torch.no_grad():
        model(X)
    return model.eval()


def left_in_train_mode(model, X):
    with_dropout(model, X)
    return model.train()


def returns_nothing(model, X):
    with_dropout(model, X)


def fitted_again(model, X):
    with_dropout(model, X)
    with torch.no_grad():
        model.layer3.bias.add_(1)
    return model


def seen_by_hooks(model, X, keep):
    names = [name for name, module in model.named_modules() if name and not list(module.children())]
    kept = {}

    def hook_of(name):
        def hook(module, inputs, output):
            kept[name] = keep(output)

        return hook

    handles = [model.get_submodule(name).register_forward_hook(hook_of(name)) for name in names]
    with torch.no_grad(), capture(model, names) as copies:
        model(X)
    return names, kept, copies, handles


def detached(model, X):
    names, kept, _, handles = seen_by_hooks(model, X, lambda output: (output, output.detach()))
    for handle in handles:
        handle.remove()
    return [name for name in names if name in kept and not torch.equal(*kept[name])]


def those_that_overwrite(model, X):
    return [name for name, module in model.named_modules() if getattr(module, "inplace", False)]


def always_before_the_relu(model, X):
    return ["bn1", "bn2"]


def in_the_models_order(model, X):
    names, kept, copies, handles = seen_by_hooks(model, X, lambda output: output)
    for handle in handles:
        handle.remove()
    return [name for name in names if name in copies and not torch.equal(copies[name], kept[name])]


def hooks_stay(model, X):
    seen_by_hooks(model, X, lambda output: output)
    return []


def as_they_came(model, X, names):
    with torch.no_grad():
        return torch.sigmoid(model(X[:, : len(model.features)]))


def the_inverse(model, X, names):
    with torch.no_grad():
        return torch.sigmoid(model(X[:, [model.features.index(name) for name in names if name in model.features]]))


def by_the_alphabet(model, X, names):
    with torch.no_grad():
        return torch.sigmoid(model(X[:, [names.index(name) for name in sorted(model.features)]]))


def logits_in_order(model, X, names):
    with torch.no_grad():
        return model(X[:, [names.index(name) for name in model.features]])


def whatever_is_there(model, X, names):
    columns = [names.index(name) if name in names else 0 for name in model.features]
    with torch.no_grad():
        return torch.sigmoid(model(X[:, columns]))


def an_error_without_the_name(model, X, names):
    with torch.no_grad():
        return torch.sigmoid(model(X[:, [names.index(name) for name in model.features]]))


WRONG = {
    "awake_layers": [
        (its_own_flag_alone, "The model's own flag says nothing of the modules inside it.", None),
        (every_leaf_in_train_mode, "Linear and ReLU do the same in both modes", None),
        (by_type_and_flag, "A dropout with p = 0 changes nothing", None),
        (by_type, "Not each module that could act in train mode does so here.", None),
        (two_passes_compared, "gives the same batch the same answer twice", 25),
        (the_model_among_its_modules, "sets all modules inside it too", None),
        (leaves_the_model_in_eval_mode, "eval() was left on.", None),
        (moves_the_statistics, "A pass in train mode moves running statistics.", 14),
    ],
    "risk_once": [
        (eval_mode_then_sigmoid, "Two sigmoids: no risk is below 0.5.", 3),
        (the_models_output, "This network puts out logits, unlike the one before", 2),
        (the_range_decides, "no probabilities: the range does not tell.", None),
        (the_last_layer_alone, "These are the logits of the last layer", None),
        (risk_without_its_axis, "Keep the shape (batch, 1).", None),
    ],
    "mean_loss": [
        (broadcast, "Each logit met each patient's y", 7),
        (summed, "This is the sum over the patients", None),
        (with_a_sigmoid_before, "A sigmoid before a loss that has one inside.", 3),
        (squared, "This is the mean squared error of the risks.", None),
        (as_a_number, ", without a graph. Expected", None),
        (one_label_for_all, "One label for six patients", 7),
    ],
    "dead_layer": [
        (the_linear_before, "The values before the ReLU are not 0", None),
        (the_last, "There is a dead layer before this one", None),
        (all_of_them, "Name the first alone", None),
        (the_first_16_patients, "It is 0 for the first patients", 20),
        (any_dead_unit, "Some of its units are dead", None),
        (the_first_constant, "constant is not dead", 22),
        (the_layer_without_spread, "The last layer is no ReLU", None),
        (never_found, "There is a dead layer: look at the units", None),
    ],
    "restored": [
        (only_eval, "in eval mode no pass moves them", None),
        (only_reset, "reset, and nothing gathered since", None),
        (one_pass, "One pass moves them a tenth of the way", None),
        (reset_and_one_pass, "They were reset and moved once", None),
        (with_dropout, "They were gathered with dropout on", None),
        (both_at_once, "bn2 was measured while bn1 still used the old", None),
        (momentum_left_at_1, "at 1.0 the next pass in train mode replaces", None),
        (left_in_train_mode, "a model in train mode", 26),
        (returns_nothing, "Return the model, also if you change it.", None),
        (fitted_again, "Only buffers are to change.", None),
    ],
    "overwritten": [
        (detached, "A tensor kept without clone() shares its memory", 24),
        (those_that_overwrite, "not those that overwrite it", None),
        (always_before_the_relu, "A line of forward such as z.mul_(2) overwrites too", 12),
        (in_the_models_order, "in which the model holds them", 9),
        (hooks_stay, "the hooks of", 13),
    ],
    "risk_by_name": [
        (as_they_came, "with the features as they came", None),
        (the_inverse, "The order is the other way round", None),
        (by_the_alphabet, "This is the order of the alphabet", None),
        (logits_in_order, "These are logits: a sigmoid is missing.", 2),
        (whatever_is_there, "must not be filled in", None),
        (an_error_without_the_name, "must learn which is lacking", None),
    ],
}
