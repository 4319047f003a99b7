"""From margins between two replies to losses, and what every method tells of its pairs."""

from torch import Tensor
from torch.nn import functional

from whet.methods._judged import Graded


def logistic(margin: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return -log sigmoid(margin), where a share `smoothing` of the preferences is taken to be wrong.

    Source: Rafailov et al. 2023, arXiv:2305.18290, equation 7; Mitchell 2023, "A note on DPO with noisy preferences",
    equation 3 (cDPO), for the smoothing.
    """
    right, wrong = functional.logsigmoid(margin), functional.logsigmoid(-margin)
    return -(1 - smoothing) * right - smoothing * wrong


def robust(margin: Tensor, smoothing: float) -> Tensor:
    """Return a loss that is that of the true preferences in the mean, a share `smoothing` of them being flipped.

    Source: Chowdhury et al. 2024, arXiv:2403.00409, equation 12.
    """
    right, wrong = functional.logsigmoid(margin), functional.logsigmoid(-margin)
    return (-(1 - smoothing) * right + smoothing * wrong) / (1 - 2 * smoothing)


def hinge(margin: Tensor) -> Tensor:
    """Return max(0, 1 - margin). Source: Zhao et al. 2023, arXiv:2305.10425 (SLiC-HF), equation 1."""
    return functional.relu(1 - margin)


def squared(gap: Tensor, beta: float) -> Tensor:
    """Return (gap - 1 / (2 beta))^2. Source: Azar et al. 2023, arXiv:2310.12036 (IPO), equation 17."""
    return (gap - 1 / (2 * beta)).square()


def figures(batch: Graded, reward: Tensor, nats: Tensor, counts: Tensor) -> dict[str, Tensor]:
    """Return sums over groups of what tells how a preference is learned.

    `accuracy`: pairs whose better reply has the higher reward; `margin`: by how much; `better` and `worse`: nats that
    the replies gained since training began (both falling is displacement); `length`: tokens of the better reply over
    those of the worse one, its logarithm.

    Shapes: reward, nats, counts (B,), of each reply.
    """
    better, worse, share = batch.better, batch.worse, batch.share
    reward, gained = reward.detach().cpu(), (nats.detach().cpu() - batch.reference)
    margin, sizes = reward[better] - reward[worse], counts.detach().cpu().float().log()
    return {
        "accuracy": ((margin.sign() + 1) / 2 * share).sum(),
        "margin": (margin * share).sum(),
        "better": (gained[better] * share).sum(),
        "worse": (gained[worse] * share).sum(),
        "length": ((sizes[better] - sizes[worse]) * share).sum(),
    }


def chosen_loss(batch: Graded, nats: Tensor, counts: Tensor) -> Tensor:
    """Return the mean log-loss of the best reply's tokens, summed over groups."""
    best = [group[0] for group in batch.members]
    return -(nats[best] / counts[best]).sum()
