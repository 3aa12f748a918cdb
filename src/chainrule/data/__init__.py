"""Data on its way into a network: files, tokens, vocabularies, windows, batches, the built-in corpus.
May import: chainrule.errors and places, NumPy and the standard library; knows no graph.
Start reading at ``vocabulary.py``, then ``windows.py`` and ``batches.py``.
"""

from chainrule.data.batches import Batches, BucketedBatches, Padded, permutation
from chainrule.data.columns import CONLLU, Sentences, read_columns, read_conllu, write_columns
from chainrule.data.encodings import DETECT, Encoding, detect_encoding
from chainrule.data.features import Channel, Channels, Encoded
from chainrule.data.files import read_bytes, write_atomically
from chainrule.data.labelled import Labelled, read_labelled
from chainrule.data.normalise import Standardisation, standardise
from chainrule.data.parts import Parts, data_files, part_named, parts_of
from chainrule.data.prose import prose
from chainrule.data.python_docs import Document, python_docs, split_documents
from chainrule.data.ragged import Ragged, as_ragged
from chainrule.data.readers import load_idx, read_csv, read_jsonl, read_lines, read_text
from chainrule.data.sentence_batches import CorruptedWindows, SentenceBatches
from chainrule.data.source_table import SOURCES, RemoteFile, Source
from chainrule.data.sources import fetch, located
from chainrule.data.streams import ContextBatches
from chainrule.data.tag_batches import WindowBatches, window_streams
from chainrule.data.tags import (
    OUTSIDE,
    TAG_SCHEMES,
    Span,
    TagScheme,
    Transitions,
    allowed_transitions,
    check_tags,
    convert,
    faults,
    repaired,
    spans_of,
    tags_of,
)
from chainrule.data.tokenizers import CharacterTokenizer, Tokenizer, WordTokenizer, split_sentences
from chainrule.data.vector_files import read_vectors, write_vectors
from chainrule.data.vector_scores import Section, Similarity, analogies, simlex, spearman
from chainrule.data.vocabulary import Vocabulary
from chainrule.data.windows import centered_windows, context_windows
from chainrule.data.word_pairs import ContextPairs, WordPairs, keep_probabilities
from chainrule.data.word_vectors import WordVectors
from chainrule.data.word_views import capitals, normalised, shape

__all__ = [
    "CONLLU",
    "DETECT",
    "OUTSIDE",
    "SOURCES",
    "TAG_SCHEMES",
    "Batches",
    "BucketedBatches",
    "Channel",
    "Channels",
    "CharacterTokenizer",
    "ContextBatches",
    "ContextPairs",
    "CorruptedWindows",
    "Document",
    "Encoded",
    "Encoding",
    "Labelled",
    "Padded",
    "Parts",
    "Ragged",
    "RemoteFile",
    "Section",
    "SentenceBatches",
    "Sentences",
    "Similarity",
    "Source",
    "Span",
    "Standardisation",
    "TagScheme",
    "Tokenizer",
    "Transitions",
    "Vocabulary",
    "WindowBatches",
    "WordPairs",
    "WordTokenizer",
    "WordVectors",
    "allowed_transitions",
    "analogies",
    "as_ragged",
    "capitals",
    "centered_windows",
    "check_tags",
    "context_windows",
    "convert",
    "data_files",
    "detect_encoding",
    "faults",
    "fetch",
    "keep_probabilities",
    "load_idx",
    "located",
    "normalised",
    "part_named",
    "parts_of",
    "permutation",
    "prose",
    "python_docs",
    "read_bytes",
    "read_columns",
    "read_conllu",
    "read_csv",
    "read_jsonl",
    "read_labelled",
    "read_lines",
    "read_text",
    "read_vectors",
    "repaired",
    "shape",
    "simlex",
    "spans_of",
    "spearman",
    "split_documents",
    "split_sentences",
    "standardise",
    "tags_of",
    "window_streams",
    "write_atomically",
    "write_columns",
    "write_vectors",
]
