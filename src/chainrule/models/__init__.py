"""Networks and baselines, each a file that a student can read from top to bottom.
May import: nn, data and everything below them.
Start reading at ``ngram.py``, the baseline that a neural language model has to beat.
"""

from .image_cnn import ImageCNN
from .language_model import FeedForwardLanguageModel
from .ngram import KneserNey
from .perceptron import MLP, MLP1, MLP2, FoldedLinear, Perceptron, with_constant
from .text_cnn import TextCNN
from .window_tagger import ChannelEmbeddings, LinearTagger, Lookup, WindowTagger

__all__ = [
    "MLP",
    "MLP1",
    "MLP2",
    "ChannelEmbeddings",
    "FeedForwardLanguageModel",
    "FoldedLinear",
    "ImageCNN",
    "KneserNey",
    "LinearTagger",
    "Lookup",
    "Perceptron",
    "TextCNN",
    "WindowTagger",
    "with_constant",
]
