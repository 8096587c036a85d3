"""The checkers of the clinic's seven cases: each hands the reader's function networks that the page did not show."""

import copy
import random
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from fpcourse.checks.exercises import Attempt, Suspect, describe, exercise
from fpcourse.checks.same_model import is_as_it_was
from fpcourse.measure.modes import in_mode


def _case(number: int, variant: int, of: int) -> Any:
    """A fresh case of this variant."""
    from fpcourse.training.clinic import case  # it trains, which needs packages that the other chapters do without

    return case(number, variant + of * random.randint(1, 1000))


@exercise(then="Now call eval() on a model of the case and hand it in: the list must be empty.")
def awake_layers(attempt: Attempt) -> None:
    for variant in range(5):
        case = _case(1, variant, of=5)
        model, X, before = case.model, case.validation.X[:40], copy.deepcopy(case.model)
        in_train = [name for name, module in model.named_modules() if module.training]
        tried = f"a network with training=True on {', '.join(map(repr, in_train))}, and 40 patients"
        names = attempt(model, X.clone(), tried=tried)
        is_as_it_was(attempt, model, before)
        leaves = [name for name in in_train if name and not list(model.get_submodule(name).children())]
        heeding = [name for name in leaves if name.startswith(("bn", "drop"))]
        attempt.equal(
            names,
            case.answer,
            [
                Suspect(leaves, "Linear and ReLU do the same in both modes; list what changes the risks."),
                Suspect(
                    ["", *case.answer],
                    "train() on a module sets all modules inside it too; judge those that have none inside.",
                ),
                Suspect(in_train, "These are the modules whose flag is set; list those that change the risks."),
                Suspect(heeding, "A dropout with p = 0 changes nothing; compare what comes out."),
                Suspect(["bn1", "bn2", "drop"], "Not each module that could act in train mode does so here."),
                Suspect(
                    [name for name in case.answer if name == "drop"],
                    "A BatchNorm in train mode gives the same batch the same answer twice: compare with eval mode.",
                    25,
                ),
                Suspect([], "The model's own flag says nothing of the modules inside it."),
            ],
        )


@exercise(then="Hand in your own network, with a sigmoid module at its end.")
def risk_once(attempt: Attempt) -> None:
    for variant in (0, 3, 1, 2):
        case = _case(2, variant, of=4)
        model, X, before = case.model, case.validation.X[:40], copy.deepcopy(case.model)
        with torch.no_grad():
            logits = case.healthy(X)
        kind = ("probabilities", "logits, here all from 0 to 1,", "probabilities", "logits")[variant]
        of_logits = (
            Suspect(logits, "These are the logits of the last layer; a sigmoid makes risks of them."),
            Suspect(logits, "These logits lie from 0 to 1 and are no probabilities: the range does not tell."),
            Suspect(logits, "These are the logits of the last layer; a sigmoid makes risks of them."),
            Suspect(logits, "This network puts out logits, unlike the one before: a sigmoid is missing.", 2),
        )[variant]
        risk = attempt(model, X.clone(), tried=f"a network that puts out {kind} and 40 patients")
        is_as_it_was(attempt, model, before)
        right = torch.sigmoid(logits)
        attempt.equal(
            risk,
            right,
            [
                Suspect(torch.sigmoid(right), "Two sigmoids: no risk is below 0.5.", 3),
                of_logits,
                Suspect(right.flatten(), "Keep the shape (batch, 1)."),
            ],
        )


@exercise(then="Try your loss on logits of 1,000: does it stay a number?")
def mean_loss(attempt: Attempt) -> None:
    for variant in (0, 1):
        for flat in (False, True):
            case = _case(3, variant, of=2)
            n = random.randint(5, 30)
            model, X, y = case.model, case.validation.X[:n], (torch.rand(n, 1) < 0.3).float()
            y[:2] = torch.tensor([[0.0], [1.0]])
            z = case.healthy(X).detach()
            given = y.flatten() if flat else y
            shapes = f"logits of shape {(n,) if variant == 0 else (n, 1)} and y of shape {tuple(given.shape)}"
            loss = attempt(model, X.clone(), given.clone(), tried=shapes)
            has_graph = loss is None or (isinstance(loss, torch.Tensor) and loss.requires_grad)
            none = "Under no_grad, or after item() or detach(), training has nothing to go back through."
            attempt.require(has_graph, f"{describe(loss)}, without a graph", "a loss to call backward() on", none)
            right = F.binary_cross_entropy_with_logits(z, y)
            crossed = (F.softplus(z.T) - y * z.T).mean()
            attempt.equal(
                loss,
                right,
                [
                    Suspect(crossed, "Each logit met each patient's y, n times n pairs: look at the shapes.", 7),
                    Suspect(right * n, "This is the sum over the patients; asked is the mean."),
                    Suspect(
                        F.binary_cross_entropy_with_logits(torch.sigmoid(z), y),
                        "A sigmoid before a loss that has one inside.",
                        3,
                    ),
                    Suspect(F.mse_loss(torch.sigmoid(z), y), "This is the mean squared error of the risks."),
                    Suspect((torch.sigmoid(z) - y).mean(), "This is a mean difference, in which errors cancel."),
                ],
            )
    X, y = case.validation.X[:6], torch.ones(1)
    error = attempt.error(case.model, X, y, tried="6 patients and y of shape (1,)")
    attempt.require(
        error is not None,
        "a loss",
        "an error",
        "One label for six patients is a mistake; it must not be spread out.",
        7,
    )


@exercise(then="Cure it: draw the weights and biases of the layer before it anew, and train.")
def dead_layer(attempt: Attempt) -> None:
    words = ("with a dead layer", "in which each unit fires now and then", "with dead layers and units", "with none")
    for variant, kind in enumerate(words):
        case = _case(4, variant, of=4)
        model, X = case.model, case.validation.X
        before = copy.deepcopy(model)
        name = attempt(model, X.clone(), tried=f"a network of {len(model) // 2} hidden layers {kind}, 300 patients")
        is_as_it_was(attempt, model, before)
        there_is = "There is a dead layer: look at the units of each ReLU, over all patients."
        attempt.require(name is not None or case.answer is None, "None", repr(case.answer), there_is)
        zeros = _zero_units(model, X)  # label -> share of units that are 0 for all
        whole = [label for label, share in zeros.items() if share == 1]
        some = [label for label, share in zeros.items() if share > 0]
        first = [label for label, share in _zero_units(model, X[:16]).items() if share == 1]
        before_it = case.answer.replace("relu", "layer") if case.answer else None
        attempt.equal(
            name,
            case.answer,
            [
                Suspect(before_it, "The values before the ReLU are not 0; name the ReLU, whose output is."),
                Suspect(whole, "Name the first alone, as a string, or None."),
                Suspect(
                    next(iter(first), "") if not case.answer else "",
                    "It is 0 for the first patients, not for all of them.",
                    20,
                ),
                Suspect(some[0] if some else "", "Some of its units are dead, not all of them."),
                Suspect(whole[-1] if whole else "", "There is a dead layer before this one: the first is asked for."),
                Suspect("out", "The last layer is no ReLU; it may be constant, and is not 0."),
                Suspect(
                    _constant(model, X) if not case.answer else "",
                    "It puts out the same for all patients, but not 0: constant is not dead.",
                    22,
                ),
            ],
        )


@exercise(then="Hand in a model whose statistics are right already: how far do they move?")
def restored(attempt: Attempt) -> None:
    for number in range(2):
        case = _case(5, number, of=2)
        model, X = case.model, case.training.X[: 1024 if number else 512]
        before = copy.deepcopy(model)
        reference = _gathered(before, X)
        result = attempt(model, X.clone(), tried=f"a network with the statistics of others, and {len(X)} patients")
        is_it = isinstance(result, nn.Module) and result.state_dict().keys() == before.state_dict().keys()
        attempt.require(is_it, describe(result), "the model", "Return the model, also if you change it.")
        attempt.require(
            not any(module.training for module in result.modules()),
            "a model in train mode",
            "a model in eval mode",
            "It goes back into use, where the next pass must not move it again.",
            26,
        )
        same_weights = all(map(torch.equal, result.parameters(), before.parameters()))
        attempt.require(same_weights, "other weights", "the weights as they were", "Only buffers are to change.")
        for name in ("bn1", "bn2"):
            _require_statistics(attempt, name, result.get_submodule(name), reference, before, X)
        momenta, were = ([net.get_submodule(name).momentum for name in ("bn1", "bn2")] for net in (result, before))
        back = "Put it back: at 1.0 the next pass in train mode replaces all that was gathered."
        attempt.require(momenta == were, f"momentum {momenta[0]} and {momenta[1]}", f"{were[0]}, as before", back)


def _require_statistics(attempt: Attempt, name: str, bn: nn.Module, reference: nn.Module, before: nn.Module, X) -> None:
    def close(model: nn.Module) -> bool:
        right = model.get_submodule(name)
        gap = (bn.running_mean - right.running_mean).abs() / right.running_var.sqrt()
        return bool(gap.max() < 0.03 and (bn.running_var / right.running_var - 1).abs().max() < 0.05)

    if close(reference):
        return
    suspects = {
        "These are nearly the statistics it came with: in eval mode no pass moves them, and with momentum = None one "
        "pass counts as one of all so far.": before,
        "A mean of 0 and a variance of 1: reset, and nothing gathered since.": _reset(before),
        "One pass moves them a tenth of the way; momentum = 1.0 is the whole way.": _moved(before, X),
        "They were reset and moved once, a tenth of the way from 0 and 1.": _moved(_reset(before), X),
        "bn2 was measured while bn1 still used the old statistics: after bn1 is put right, its input is another.": (
            _measured_at_once(before, X)
        ),
    }
    came = f"{name}: a running mean of {bn.running_mean.mean():.3f} over the units"
    came += f", a running variance of {bn.running_var.mean():.3f}"
    right = reference.get_submodule(name)
    expected = f"{right.running_mean.mean():.3f} and {right.running_var.mean():.3f}"
    looks_like = next((text for text, model in suspects.items() if close(model)), "")
    wider = (bn.running_var / right.running_var).mean()
    if not looks_like and name == "bn2" and 1.1 < wider < 2:  # another mask each time, so no numbers to compare
        looks_like = "They were gathered with dropout on; in use it is off."
    attempt.fail(came, expected, looks_like)


@exercise(then="Make the ReLU of your own network inplace=True and look at it with your function.")
def overwritten(attempt: Attempt) -> None:
    for variant in range(4):
        case = _case(6, variant, of=4)
        model, X, before = case.model, case.validation.X[:40], copy.deepcopy(case.model)
        described = ("whose ReLU works in place", "that doubles a tensor in place", "with none", "with two of them")
        names = attempt(model, X.clone(), tried=f"a network {described[variant]} and 40 patients")
        is_as_it_was(attempt, model, before)
        in_place = [name for name, module in model.named_modules() if getattr(module, "inplace", False)]
        listed = [name for name, _ in model.named_modules() if name in case.answer]
        attempt.equal(
            names,
            case.answer,
            [
                Suspect(in_place, "Name the modules whose output is overwritten, not those that overwrite it."),
                Suspect(listed, "This is the order in which the model holds them; asked is that of the calls.", 9),
                Suspect(
                    ["bn1", "bn2"] if case.answer != ["bn1", "bn2"] else None,
                    "A line of forward such as z.mul_(2) overwrites too, and a network may have neither.",
                    12,
                ),
                Suspect([], "A tensor kept without clone() shares its memory: it changes along.", 24),
            ],
        )


@exercise(then="What should it do when a feature has the right name and another unit?")
def risk_by_name(attempt: Attempt) -> None:
    for extra in (0, 2):
        case = _case(7, 0, of=1)
        model, cohort = case.model, case.validation
        X, names = cohort.X[:40], list(cohort.features)
        for number in range(extra):
            at = random.randrange(len(names))
            X = torch.cat([X[:, :at], torch.randn(40, 1), X[:, at:]], dim=1)
            names.insert(at, f"new_{number}")
        before, features = copy.deepcopy(model), list(model.features)
        tried = f"the features in another order{', two more among them' if extra else ''}, and 40 patients"
        given = tuple(names)
        risk = attempt(model, X.clone(), given, tried=tried)
        is_as_it_was(attempt, model, before)
        order = [names.index(feature) for feature in features]

        def risk_of(columns: list[int], X: torch.Tensor = X, model: nn.Module = case.healthy) -> torch.Tensor | None:
            with torch.no_grad():
                return torch.sigmoid(model(X[:, columns])) if max(columns) < X.shape[1] else None

        inverse = [features.index(name) for name in names if name in features]
        by_alphabet = [names.index(name) for name in sorted(features)]
        with torch.no_grad():
            logits = case.healthy(X[:, order])
        attempt.equal(
            risk,
            torch.sigmoid(logits),
            [
                Suspect(risk_of(list(range(20))), "These are the risks with the features as they came."),
                Suspect(risk_of(inverse), "The order is the other way round: for each of model.features, its column."),
                Suspect(risk_of(by_alphabet), "This is the order of the alphabet, not that of model.features."),
                Suspect(logits, "These are logits: a sigmoid is missing.", 2),
            ],
        )
    lacking = names.index(features[7])
    X, names = X[:, [i for i in range(X.shape[1]) if i != lacking]], [n for n in names if n != features[7]]
    tried = f"patients without {features[7]!r}"
    error = attempt.error(model, X, tuple(names), tried=tried)
    expected = f"a ValueError or KeyError that names {features[7]!r}"
    attempt.require(error is not None, "risks", expected, "A feature that is lacking must not be filled in.")
    names_it = isinstance(error, (ValueError, KeyError)) and features[7] in str(error)
    attempt.require(
        names_it, f"{type(error).__name__}: {error}", expected, "Whoever reads it must learn which is lacking."
    )


@torch.no_grad()
def _zero_units(model: nn.Sequential, X: torch.Tensor) -> dict[str, float]:
    """For each ReLU the share of its units that are 0 for all rows."""
    shares, a = {}, X
    for name, module in model.named_children():
        a = module(a)
        if isinstance(module, nn.ReLU):
            shares[name] = (a == 0).all(0).double().mean().item()
    return shares


@torch.no_grad()
def _constant(model: nn.Sequential, X: torch.Tensor) -> str:
    """The first layer that puts out the same for all patients."""
    a = X
    for name, module in model.named_children():
        a = module(a)
        if (a == a[0]).all():
            return name
    return ""


@torch.no_grad()
def _gathered(model: nn.Module, X: torch.Tensor) -> nn.Module:
    """A copy with the statistics of one pass of ``X``."""
    model = copy.deepcopy(model)
    for bn in (model.bn1, model.bn2):
        bn.momentum = 1.0
    with in_mode(model, "train"):
        model.drop.eval()
        model(X)
    return model


@torch.no_grad()
def _moved(model: nn.Module, X: torch.Tensor) -> nn.Module:
    model = copy.deepcopy(model)
    with in_mode(model, "train"):
        model.drop.eval()
        model(X)
    return model


def _reset(model: nn.Module) -> nn.Module:
    model = copy.deepcopy(model)
    for bn in (model.bn1, model.bn2):
        bn.reset_running_stats()
    return model


@torch.no_grad()
def _measured_at_once(model: nn.Module, X: torch.Tensor) -> nn.Module:
    """Both layers' inputs measured in one pass in eval mode, with the statistics that are wrong."""
    wrong, model = copy.deepcopy(model).eval(), copy.deepcopy(model)
    z1 = wrong.layer1(X)
    z2 = wrong.layer2(wrong.relu(wrong.bn1(z1)))
    for bn, z in ((model.bn1, z1), (model.bn2, z2)):
        bn.running_mean.copy_(z.mean(0))
        bn.running_var.copy_(z.var(0))
    return model
