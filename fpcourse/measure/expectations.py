"""expectation: what a layer of torch wants of its input, in words, for the note on an error."""

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from fpcourse.measure.nested import tensors_in

_PLACES = ("depth", "height", "width")  # the axes of an image after its channels


def expectation(module: nn.Module, args: tuple, kwargs: dict) -> str:
    """``"; it expects a last axis of 20"``, and what differs in dtype or device; empty where nothing is known.

    Of a module that has a forward of its own, nothing is known but its weights.
    """
    tensors = tensors_in((args, kwargs))
    if not tensors or any(map(is_lazy, module._parameters.values())):
        return ""
    is_torchs = type(module).forward.__module__.startswith("torch.nn")
    try:
        parts = [
            _wanted(module, tensors[0]) if is_torchs else "",
            _differs_from_weights(module, tensors[0]) if is_torchs or tensors[0].is_floating_point() else "",
        ]
    except Exception:  # a layer or a tensor of an unusual make; the reader's own error must come out
        return ""
    return "".join(f"; {text}" for text in parts if text)


def _wanted(module: nn.Module, tensor: torch.Tensor) -> str:
    if isinstance(module, nn.Linear):
        return f"it expects a last axis of {module.in_features}"
    if isinstance(module, nn.modules.conv._ConvNd):
        sample = ", ".join([str(module.in_channels), *_PLACES[-len(module.kernel_size) :]])
        return f"it expects (batch, {sample}), or ({sample}) for one sample"
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return _wanted_by_batch_norm(module, tensor)
    if isinstance(module, nn.GroupNorm):
        return f"it expects {module.num_channels} channels in axis 1"
    if isinstance(module, (nn.LayerNorm, nn.RMSNorm)):
        return f"it expects the last axes to be {tuple(module.normalized_shape)}"
    if isinstance(module, nn.RNNBase):
        return f"it expects a last axis of {module.input_size}"
    if isinstance(module, nn.MultiheadAttention):
        return f"it expects queries with a last axis of {module.embed_dim}"
    if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
        return f"it expects whole numbers from 0 to {module.num_embeddings - 1}{_found_range(tensor)}"
    return ""


def _wanted_by_batch_norm(module: nn.Module, tensor: torch.Tensor) -> str:
    if tensor.dim() < 2 or tensor.shape[1] != module.num_features:
        return f"it expects {module.num_features} features in axis 1"
    if module.training and tensor.numel() == module.num_features:
        return f"in train mode it expects more than one value for each of its {module.num_features} features"
    return ""


def _found_range(tensor: torch.Tensor) -> str:
    # Not on a GPU: after an index error there, every further read raises as well.
    if tensor.device.type != "cpu" or tensor.numel() == 0 or tensor.is_floating_point() or tensor.is_complex():
        return ""
    return f", and was given {tensor.min().item()} to {tensor.max().item()}"


def _differs_from_weights(module: nn.Module, tensor: torch.Tensor) -> str:
    weight = next(module.parameters(recurse=False), None)
    if weight is None or isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
        return ""
    if weight.device != tensor.device:
        return f"its weights are on {weight.device}, the input on {tensor.device}"
    if weight.dtype is not tensor.dtype and not torch.is_autocast_enabled(tensor.device.type):
        return f"its weights are {_name(weight.dtype)}, the input is {_name(tensor.dtype)}"
    return ""


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
