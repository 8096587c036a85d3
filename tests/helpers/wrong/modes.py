"""Wrong answers to the exercises of this chapter, as people give them."""

import contextlib

import torch
from torch.nn import functional as F

from fpcourse import in_mode


def no_eval(model, X):
    with torch.no_grad():
        return torch.sigmoid(model(X))


def no_no_grad(model, X):
    with in_mode(model, "eval"):
        return torch.sigmoid(model(X))


def sigmoid_twice(model, X):
    with in_mode(model, "eval"), torch.no_grad():
        return torch.sigmoid(torch.sigmoid(model(X)))


def eval_left_on(model, X):
    model.eval()
    with torch.no_grad():
        return torch.sigmoid(model(X))


def lone_row_doubled(model, X):
    with torch.no_grad():
        rows = X.repeat(2, 1) if len(X) == 1 else X
        return torch.sigmoid(model(rows))[: len(X)]


def train_called_afterwards(model, X):
    was = model.training
    model.eval()
    with torch.no_grad():
        risks = torch.sigmoid(model(X))
    model.train(was)
    return risks


def no_finally(model, X):
    flags = [(module, module.training) for module in model.modules()]
    model.eval()
    with torch.no_grad():
        risks = torch.sigmoid(model(X))
    for module, training in flags:
        module.training = training
    return risks


def swallows_the_error(model, X):
    with in_mode(model, "eval"), torch.no_grad(), contextlib.suppress(RuntimeError):
        return torch.sigmoid(model(X))


def logits(model, X):
    with in_mode(model, "eval"), torch.no_grad():
        return model(X)


def decisions(model, X):
    with in_mode(model, "eval"), torch.no_grad():
        return (torch.sigmoid(model(X)) > 0.5).float()


def flat(model, X):
    with in_mode(model, "eval"), torch.no_grad():
        return torch.sigmoid(model(X)).flatten()


def softmax(model, X):
    with in_mode(model, "eval"), torch.no_grad():
        return torch.softmax(model(X), dim=1)


def grad_switched_off(model, X):
    torch.set_grad_enabled(False)
    with in_mode(model, "eval"):
        return torch.sigmoid(model(X))


def batchnorm(normalise=None, track=None):
    """A right BatchNorm, but for the parts handed in."""

    def answer(z, running_mean, running_var, training, momentum, eps):
        if not training:
            return (z - running_mean) / (running_var + eps).sqrt(), running_mean, running_var
        mean, var = z.mean(0), z.var(0, correction=0)
        out = (normalise or right_out)(z, mean, var, eps)
        tracked = (track or right_track)(z.detach(), running_mean, running_var, momentum)
        return out, *tracked

    return answer


def right_out(z, mean, var, eps):
    return (z - mean) / (var + eps).sqrt()


def right_track(z, mean, var, momentum):
    return (1 - momentum) * mean + momentum * z.mean(0), (1 - momentum) * var + momentum * z.var(0)


def named(name, function):
    function.__name__ = name
    return function


normalises_unbiased = named(
    "normalises_unbiased", batchnorm(normalise=lambda z, mean, var, eps: right_out(z, mean, z.var(0), eps))
)
without_eps = named("without_eps", batchnorm(normalise=lambda z, mean, var, eps: (z - mean) / var.sqrt()))
eps_outside = named("eps_outside", batchnorm(normalise=lambda z, mean, var, eps: (z - mean) / (var.sqrt() + eps)))
no_root = named("no_root", batchnorm(normalise=lambda z, mean, var, eps: (z - mean) / (var + eps)))
detached_mean = named(
    "detached_mean", batchnorm(normalise=lambda z, mean, var, eps: right_out(z, mean.detach(), var.detach(), eps))
)
tracks_biased = named(
    "tracks_biased",
    batchnorm(
        track=lambda z, mean, var, m: (right_track(z, mean, var, m)[0], (1 - m) * var + m * z.var(0, correction=0))
    ),
)
tracks_std = named(
    "tracks_std",
    batchnorm(track=lambda z, mean, var, m: (right_track(z, mean, var, m)[0], (1 - m) * var + m * z.std(0))),
)
momentum_of_the_old = named(
    "momentum_of_the_old", batchnorm(track=lambda z, mean, var, m: right_track(z, mean, var, 1 - m))
)
never_tracks = named("never_tracks", batchnorm(track=lambda z, mean, var, m: (mean, var)))
replaces = named("replaces", batchnorm(track=lambda z, mean, var, m: (z.mean(0), z.var(0))))


def normalises_by_what_it_has_moved(z, running_mean, running_var, training, momentum, eps):
    if training:
        running_mean, running_var = right_track(z.detach(), running_mean, running_var, momentum)
    return right_out(z, running_mean, running_var, eps), running_mean, running_var


def one_mean_for_all_elements(z, running_mean, running_var, training, momentum, eps):
    out, mean, var = batchnorm()(z, running_mean, running_var, training, momentum, eps)
    return right_out(z, z.mean(), z.var(correction=0), eps) if training else out, mean, var


def asks_autograd(z, running_mean, running_var, training, momentum, eps):
    return batchnorm()(z, running_mean, running_var, torch.is_grad_enabled(), momentum, eps)


def always_the_batch(z, running_mean, running_var, training, momentum, eps):
    return batchnorm()(z, running_mean, running_var, True, momentum, eps)


def always_tracks(z, running_mean, running_var, training, momentum, eps):
    out, _, _ = batchnorm()(z, running_mean, running_var, training, momentum, eps)
    return out, *right_track(z.detach(), running_mean, running_var, momentum)


def always_the_memory(z, running_mean, running_var, training, momentum, eps):
    out, _, _ = batchnorm()(z, running_mean, running_var, False, momentum, eps)
    return out, *right_track(z.detach(), running_mean, running_var, momentum)


def tracks_with_the_graph(z, running_mean, running_var, training, momentum, eps):
    out, mean, var = batchnorm()(z, running_mean, running_var, training, momentum, eps)
    return (out, *right_track(z, running_mean, running_var, momentum)) if training else (out, mean, var)


def output_alone(z, running_mean, running_var, training, momentum, eps):
    return batchnorm()(z, running_mean, running_var, training, momentum, eps)[0]


def not_scaled(x, p, scaled):
    return x * (1 - p), x**2 * p * (1 - p)


def always_scaled(x, p, scaled):
    return x, x**2 * p / (1 - p)


def a_kept_value(x, p, scaled):
    return x / (1 - p), x**2 * p / (1 - p)


def p_is_kept(x, p, scaled):
    return x * p, x**2 * p * (1 - p)


def the_std(x, p, scaled):
    mean, variance = moments(x, p, scaled)
    return mean, variance.sqrt()


def x_not_squared(x, p, scaled):
    return moments(x, p, scaled)[0], x * p / (1 - p) if scaled else x * p * (1 - p)


def second_moment(x, p, scaled):
    mean, variance = moments(x, p, scaled)
    return mean, variance + mean**2


def the_kept_alone(x, p, scaled):
    mean, kept = moments(x, p, scaled)[0], x / (1 - p) if scaled else x
    return mean, (1 - p) * (kept - mean) ** 2


def factor_once(x, p, scaled):
    return moments(x, p, scaled)[0], x**2 * p if scaled else x**2 * p * (1 - p)


def no_variance(x, p, scaled):
    return moments(x, p, scaled)[0], torch.zeros_like(x)


def by_drawing(x, p, scaled):
    drawn = F.dropout(x.expand(1000, *x.shape), p) * (1 if scaled else 1 - p)
    return drawn.mean(0), drawn.var(0)


def mean_over_x(x, p, scaled):
    out = F.dropout(x, p)
    return x.mean(), out.var()


def mean_alone(x, p, scaled):
    return moments(x, p, scaled)[0]


def moments(x, p, scaled):
    scale = 1 / (1 - p) if scaled else 1
    return x * scale * (1 - p), x**2 * scale**2 * p * (1 - p)


WRONG = {
    "predict_risk": [
        (no_eval, "eval() is missing", 25),
        (no_no_grad, "eval() does not stop autograd", 17),
        (sigmoid_twice, "no risk can be below 0.5", 3),
        (eval_left_on, "eval() was left on", None),
        (lone_row_doubled, "A doubled row gets through train mode", None),
        (train_called_afterwards, "also on a frozen one", None),
        (no_finally, "unless they stand in a finally", None),
        (swallows_the_error, "the model's own error", None),
        (logits, "These are the logits", 2),
        (decisions, "These are decisions, 0 or 1", None),
        (flat, "Keep the shape (batch, 1)", None),
        (softmax, "A softmax over one logit", None),
        (grad_switched_off, "Use a block: with no_grad", None),
    ],
    "batch_norm": [
        (always_the_memory, "the batch's own mean and variance normalise", None),
        (always_the_batch, "not those of the batch", 28),
        (asks_autograd, "It asks autograd for the mode", 25),
        (normalises_by_what_it_has_moved, "after their move", None),
        (one_mean_for_all_elements, "One mean for all elements", 22),
        (normalises_unbiased, "The unbiased variance normalises here", None),
        (without_eps, "eps is missing", None),
        (eps_outside, "eps is added to the std", None),
        (no_root, "a square root is missing", None),
        (tracks_biased, "The biased variance is tracked", None),
        (tracks_std, "It is the std that is tracked", None),
        (momentum_of_the_old, "here of the old value", None),
        (never_tracks, "do not move in train mode", None),
        (replaces, "replaces the running one", None),
        (always_tracks, "In eval mode the running statistics stay", None),
        (tracks_with_the_graph, "track from z.detach()", None),
        (detached_mean, "depend on z too", None),
        (output_alone, "three tensors: out", None),
    ],
    "dropout_moments": [
        (not_scaled, "That holds with scaled=False", None),
        (always_scaled, "without scaling the mean shrinks", 27),
        (a_kept_value, "what a kept value becomes", None),
        (p_is_kept, "p is the probability of being dropped", None),
        (the_std, "It is the std", None),
        (x_not_squared, "the variance has x squared", None),
        (second_moment, "take off mean²", None),
        (the_kept_alone, "The dropped values count too", None),
        (factor_once, "enters the variance squared", None),
        (no_variance, "from mask to mask", None),
        (by_drawing, "It draws masks", None),
        (mean_over_x, "One number for all of x", None),
        (mean_alone, "two tensors: mean, variance", None),
    ],
}
