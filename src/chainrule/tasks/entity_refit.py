"""When all is chosen, the sentences it was chosen by are sentences to learn from, too."""

from __future__ import annotations

from dataclasses import replace

from ..data import Sentences
from ..train import Reporter, fit
from ..train.configuration import make_optimizer, make_settings
from ..train.tensors import Arrays
from .entity_scorer import EntityConfig, EntityScorer
from .tagged_data import Tagged


def refit(
    scorer: EntityScorer, config: EntityConfig, data: Tagged, epochs: int, reporter: Reporter
) -> Arrays:
    """Train from the first weights on, on training and validation sentences, for so many epochs.

    Nothing is left to choose by: channels, tags and shifts stay as they are, and the last weights count; they
    are returned.  Validation sentences with a tag that the training sentences lack are left out.
    """
    model = scorer.model
    first = EntityScorer.untrained(config, scorer.channels, scorer.tags).model
    begun = {name: parameter.value for name, parameter in first.named_parameters()}
    model.load_state_dict({**model.state_dict(), **begun})  # vectors that were given stay
    both = _together(data.train, data.validation, data.tag, frozenset(scorer.tags))
    options = config.training
    batches = scorer.batches(scorer.encode(both), scorer.gold(both[data.tag]), options.batch, options.seed)
    fit(
        model,
        scorer.loss,
        batches,
        make_optimizer(config.optimizer, model.parameters(), len(batches), epochs),
        settings=replace(make_settings(options), epochs=epochs),
        reporter=reporter,
    )
    return model.state_dict()


def _together(train: Sentences, more: Sentences, tag: str, known: frozenset[str]) -> Sentences:
    more = more.select([place for place, tags in enumerate(more[tag]) if known.issuperset(tags)])
    columns = {name: [*own, *more[name]] for name, own in train.columns.items()}
    return Sentences(columns, [*train.lines, *more.lines], train.path)
