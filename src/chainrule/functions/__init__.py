"""Named functions of networks: activations, softmax, losses, convolution, pooling, normalisation, attention.

May import: ops, graph and below.
Start reading at ``softmax.py`` (composites, and derivatives of their own) and ``cross_entropy.py``.
"""

from ..graph import register
from ..ops import sigmoid, sign, tanh
from .activations import (
    ACTIVATIONS,
    elu,
    gelu,
    hard_tanh,
    identity,
    leaky_relu,
    relu,
    selu,
    silu,
    softplus,
)
from .attention import scaled_dot_product_attention
from .convolution import conv1d, conv2d
from .crf import crf_log_partition, crf_nll, crf_path_score
from .cross_entropy import cross_entropy, nll_loss
from .dropout import dropout
from .linear import bilinear, cosine_similarity, embedding, linear
from .losses import (
    binary_cross_entropy_with_logits,
    hinge_loss,
    huber_loss,
    kl_divergence,
    l1_loss,
    max_margin,
    mse_loss,
)
from .normalisation import batch_norm, batch_statistics, layer_norm, rms_norm
from .pooling import (
    adaptive_average_pool1d,
    adaptive_average_pool2d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    average_pool1d,
    average_pool2d,
    k_max_over_time,
    max_over_time,
    max_pool1d,
    max_pool2d,
    mean_over_time,
)
from .sampled_softmax import sampled_cross_entropy
from .softmax import log_softmax, logsumexp, masked_softmax, softmax

__all__ = [
    "ACTIVATIONS",
    "adaptive_average_pool1d",
    "adaptive_average_pool2d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "average_pool1d",
    "average_pool2d",
    "batch_norm",
    "batch_statistics",
    "bilinear",
    "binary_cross_entropy_with_logits",
    "conv1d",
    "conv2d",
    "cosine_similarity",
    "crf_log_partition",
    "crf_nll",
    "crf_path_score",
    "cross_entropy",
    "dropout",
    "elu",
    "embedding",
    "gelu",
    "hard_tanh",
    "hinge_loss",
    "huber_loss",
    "identity",
    "k_max_over_time",
    "kl_divergence",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsumexp",
    "masked_softmax",
    "max_margin",
    "max_over_time",
    "max_pool1d",
    "max_pool2d",
    "mean_over_time",
    "mse_loss",
    "nll_loss",
    "relu",
    "rms_norm",
    "sampled_cross_entropy",
    "scaled_dot_product_attention",
    "selu",
    "sigmoid",
    "sign",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]

# In the table their names are known, so that an error from an op within says which of them was called.
for _name in __all__:
    if _name not in {"ACTIVATIONS", "sigmoid", "sign", "tanh"}:  # no function, and the ops' own
        register(_name, globals()[_name])
