"""Networks and baselines, each a file that a student can read from top to bottom.
May import: nn, data and everything below them.
Start reading at ``ngram.py``, the baseline that a neural language model has to beat.
"""

from .count_vectors import count_vectors, positive_pmi
from .entity_tagger import ChainTagger, Committee, YesNoTagger
from .gazetteer import Gazetteer
from .image_cnn import ImageCNN
from .language_model import FeedForwardLanguageModel
from .ngram import KneserNey
from .perceptron import MLP, MLP1, MLP2, FoldedLinear, Perceptron, with_constant
from .random_shift import RandomShift
from .text_cnn import TextCNN
from .viterbi import viterbi
from .window_tagger import ChannelEmbeddings, LinearTagger, Lookup, WindowTagger
from .word2vec import CBOW, NegativeSampler, SkipGram, negative_sampling_loss, with_negatives

__all__ = [
    "CBOW",
    "MLP",
    "MLP1",
    "MLP2",
    "ChainTagger",
    "ChannelEmbeddings",
    "Committee",
    "FeedForwardLanguageModel",
    "FoldedLinear",
    "Gazetteer",
    "ImageCNN",
    "KneserNey",
    "LinearTagger",
    "Lookup",
    "NegativeSampler",
    "Perceptron",
    "RandomShift",
    "SkipGram",
    "TextCNN",
    "WindowTagger",
    "YesNoTagger",
    "count_vectors",
    "negative_sampling_loss",
    "positive_pmi",
    "viterbi",
    "with_constant",
    "with_negatives",
]
