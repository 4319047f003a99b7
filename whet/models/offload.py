"""What a pass keeps for its way back, held in the host's memory instead of a GPU's."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

LEAST = 1 << 20  # bytes of a tensor that is worth the way to the host and back


@contextmanager
def kept_on_host(model: nn.Module, least: int = LEAST) -> Iterator[None]:
    """Move what is kept for the way back to the host, weights and small tensors excepted, and back when it is wanted.

    Copies run in the order of the computation, so that nothing waits for them but the computation itself.
    """
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}

    def pack(tensor: Tensor) -> tuple[torch.device | None, Tensor]:
        if tensor.nbytes < least or tensor.untyped_storage().data_ptr() in weights:
            return None, tensor
        host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.device.type == "cuda")
        return tensor.device, host.copy_(tensor, non_blocking=True)

    def unpack(packed: tuple[torch.device | None, Tensor]) -> Tensor:
        device, tensor = packed
        return tensor if device is None else tensor.to(device, non_blocking=True)

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        yield
