"""Wrong answers to the exercises of this chapter, as people give them."""

import torch

from fpcourse import in_mode


def _leaves(model):
    return [(name, module) for name, module in model.named_modules() if not list(module.children())]


def _hooked(model, X, hook_of, modules=None):
    """One pass with a hook a module, and the hooks off again."""
    modules = _leaves(model) if modules is None else modules
    handles = [module.register_forward_hook(hook_of(name)) for name, module in modules]
    try:
        return model(X)
    finally:
        for handle in handles:
            handle.remove()


def _recorded(model, X, modules=None):
    """Each call's name, input shape and output shape."""
    calls = []

    def hook_of(name):
        return lambda module, inputs, output: calls.append((name, tuple(inputs[0].shape), tuple(output.shape)))

    _hooked(model, X, hook_of, modules)
    return calls


def _numbered(calls):
    return [(name, 1 + [row[0] for row in calls[:at]].count(name), out) for at, (name, _, out) in enumerate(calls)]


def keyed_by_name(model, X):
    return list({row[0]: row for row in _numbered(_recorded(model, X))}.values())


def a_dictionary(model, X):
    return {name: output for name, _, output in _recorded(model, X)}


def in_the_order_of_named_modules(model, X):
    rows = _numbered(_recorded(model, X))
    return [row for name, _ in _leaves(model) for row in rows if row[0] == name]


def late_binding(model, X):
    rows, handles = [], []
    for name, module in _leaves(model):

        def hook(module, inputs, output):
            rows.append((name, 1 + sum(row[0] == name for row in rows), tuple(output.shape)))  # noqa: B023

        handles.append(module.register_forward_hook(hook))
    model(X)
    for handle in handles:
        handle.remove()
    return rows


def containers_too(model, X):
    return _numbered(_recorded(model, X, list(model.named_modules())))


def counts_all_calls(model, X):
    return [(name, at, output) for at, (name, _, output) in enumerate(_recorded(model, X), 1)]


def counts_from_zero(model, X):
    return [(name, number - 1, output) for name, number, output in _numbered(_recorded(model, X))]


def never_counts(model, X):
    return [(name, 1, output) for name, _, output in _recorded(model, X)]


def shapes_of_the_inputs(model, X):
    calls = _recorded(model, X)
    return [(name, n, inputs) for (name, n, _), (_, inputs, _) in zip(_numbered(calls), calls, strict=True)]


def leaves_its_hooks(model, X):
    rows = []
    for name, module in _leaves(model):

        def hook(module, inputs, output, name=name):
            rows.append((name, 1 + sum(row[0] == name for row in rows), tuple(output.shape)))

        module.register_forward_hook(hook)
    model(X)
    return rows


def removes_after_the_pass(model, X):
    rows, handles = [], []
    for name, module in _leaves(model):

        def hook(module, inputs, output, name=name):
            rows.append((name, 1 + sum(row[0] == name for row in rows), tuple(output.shape)))

        handles.append(module.register_forward_hook(hook))
    model(X)
    for handle in handles:
        handle.remove()
    return rows


def keeps_the_error(model, X):
    try:
        return _numbered(_recorded(model, X))
    except Exception as error:
        print(error, end="")


def runs_it_twice(model, X):
    _recorded(model, X)
    return _numbered(_recorded(model, X))


def prints_the_rows(model, X):
    for row in _numbered(_recorded(model, X)):
        print(*row)


def the_articles_eight_rows(model, X):
    shapes = [(16, 64)] * 4 + [(16, 32)] * 3 + [(16, 1)]
    names = ["layer1", "bn1", "relu", "drop", "layer2", "bn2", "relu", "layer3"]
    return _numbered([(name, None, shape) for name, shape in zip(names, shapes, strict=True)])


def _zeros(module, inputs, output):
    return torch.zeros_like(output)


def returns_nothing_from_the_hook(model, names, X):
    def hook(module, inputs, output):
        output = torch.zeros_like(output)

    return _hooked(model, X, lambda name: hook, [(name, model.get_submodule(name)) for name in names])


def never_takes_them_off(model, names, X):
    for name in names:
        model.get_submodule(name).register_forward_hook(_zeros)
    return model(X)


def takes_them_off_after_the_pass(model, names, X):
    handles = [model.get_submodule(name).register_forward_hook(_zeros) for name in names]
    output = model(X)
    for handle in handles:
        handle.remove()
    return output


def swallows_the_error(model, names, X):
    handles = []
    try:
        for name in names:
            handles.append(model.get_submodule(name).register_forward_hook(_zeros))
        return model(X)
    except Exception as error:
        print(error, end="")
    finally:
        for handle in handles:
            handle.remove()


def raises_its_own_error(model, names, X):
    handles = [model.get_submodule(name).register_forward_hook(_zeros) for name in names]
    try:
        return model(X)
    except Exception as error:
        raise RuntimeError(f"the pass failed: {error}") from error
    finally:
        for handle in handles:
            handle.remove()


def registers_outside_of_try(model, names, X):
    handles = []
    for name in names:
        handles.append(model.get_submodule(name).register_forward_hook(_zeros))
    try:
        return model(X)
    finally:
        for handle in handles:
            handle.remove()


def passes_over_an_unknown_name(model, names, X):
    known = dict(model.named_modules())
    handles = [known[name].register_forward_hook(_zeros) for name in names if name in known]
    try:
        return model(X)
    finally:
        for handle in handles:
            handle.remove()


def clears_all_hooks(model, names, X):
    try:
        for name in names:
            model.get_submodule(name).register_forward_hook(_zeros)
        return model(X)
    finally:
        for module in model.modules():
            module._forward_hooks.clear()


def zeroes_the_weights(model, names, X):
    with torch.no_grad():
        for name in names:
            for parameter in model.get_submodule(name).parameters():
                parameter.zero_()
        return _hooked(model, X, lambda name: _zeros, [(name, model.get_submodule(name)) for name in names])


def exchanges_the_modules(model, names, X):
    class Zeros(torch.nn.Module):
        def forward(self, x):
            return torch.zeros_like(x)

    outputs = _hooked(model, X, lambda name: _zeros, [(name, model.get_submodule(name)) for name in names])
    for name in names:
        model.set_submodule(name, Zeros())
    return outputs


def _kept(model):
    flags = [(module, module.training) for module in model.modules()]
    return flags, [(buffer, buffer.clone()) for buffer in model.buffers()], torch.get_rng_state()


def _put_back(flags=(), buffers=(), state=None):
    for module, training in flags:
        module.training = training
    for buffer, value in buffers:
        buffer.copy_(value)
    if state is not None:
        torch.set_rng_state(state)


def relies_on_no_grad(model, X):
    flags, _, state = _kept(model)
    with torch.no_grad():
        output = model.train()(X)
    _put_back(flags, (), state)
    return output


def one_flag_for_all(model, X):
    was, (_, buffers, state) = model.training, _kept(model)
    try:
        with torch.no_grad():
            return model.train()(X)
    finally:
        model.train(was)
        with torch.no_grad():
            _put_back((), buffers, state)


def forgets_the_random_state(model, X):
    flags, buffers, _ = _kept(model)
    with torch.no_grad():
        try:
            return model.train()(X)
        finally:
            _put_back(flags, buffers)


def forgets_the_count_of_batches(model, X):
    flags, buffers, state = _kept(model)
    with torch.no_grad():
        try:
            return model.train()(X)
        finally:
            _put_back(flags, [(buffer, value) for buffer, value in buffers if buffer.dim()], state)


def puts_back_after_the_pass(model, X):
    kept = _kept(model)
    with torch.no_grad():
        output = model.train()(X)
    _put_back(*kept)
    return output


def runs_it_as_it_is(model, X):
    kept = _kept(model)
    with torch.no_grad():
        output = model(X)
    _put_back(*kept)
    return output


def runs_it_in_eval_mode(model, X):
    with in_mode(model, "eval"), torch.no_grad():
        return model(X)


def with_a_graph(model, X):
    kept = _kept(model)
    try:
        return model.train()(X)
    finally:
        _put_back(*kept)


def catches_the_error(model, X):
    kept = _kept(model)
    with torch.no_grad():
        try:
            return model.train()(X)
        except Exception as error:
            print(error, end="")
        finally:
            _put_back(*kept)


WRONG = {
    "numbered_calls": [
        (keyed_by_name, "One row for each module", 10),
        (a_dictionary, "A key is there once", 10),
        (in_the_order_of_named_modules, "the order of named_modules()", 9),
        (late_binding, "One name for all", None),
        (containers_too, "only modules without children", None),
        (counts_all_calls, "The number counts all calls", None),
        (counts_from_zero, "first call is 1", None),
        (never_counts, "The number stays at 1", None),
        (shapes_of_the_inputs, "the shapes of the inputs", None),
        (leaves_its_hooks, "Came out: hooks left: 7. Expected: no hook of yours is left", None),
        (removes_after_the_pass, "hooks left after the pass had raised: 7", 13),
        (keeps_the_error, "It was caught and kept", None),
        (runs_it_twice, "2 passes of the model", None),
        (prints_the_rows, "without a return statement", None),
        (the_articles_eight_rows, "Came out: row 0 is ('layer1', 1, (16, 64)). Expected: row 0", None),
    ],
    "silenced": [
        (returns_nothing_from_the_hook, "if it returns something", None),
        (never_takes_them_off, "hooks left after a pass without an error: 1", None),
        (takes_them_off_after_the_pass, "hooks left after the pass had raised: 2", 13),
        (swallows_the_error, "It was caught and kept", None),
        (raises_its_own_error, "A new error took its place", None),
        (registers_outside_of_try, "Registering may fail half way", None),
        (passes_over_an_unknown_name, "Somebody misspelt a name", None),
        (clears_all_hooks, "hooks gone that were not yours", None),
        (zeroes_the_weights, "parameters that have changed", None),
        (exchanges_the_modules, "a module was exchanged", None),
    ],
    "train_output": [
        (relies_on_no_grad, "Keep clones", 14),
        (one_flag_for_all, "in two modes: keep the flag of each", None),
        (forgets_the_random_state, "Dropout has drawn numbers", None),
        (forgets_the_count_of_batches, "it also counts its batches", None),
        (puts_back_after_the_pass, "another mode after the pass had raised: the model, layer1", None),
        (runs_it_as_it_is, "in which the model was found", None),
        (runs_it_in_eval_mode, "the output in eval mode", None),
        (catches_the_error, "It was caught and kept", None),
        (with_a_graph, "run it under no_grad", None),
    ],
}
