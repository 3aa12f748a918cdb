"""Whom a parameter belongs to: what it is called, whether a model has it, whether an optimizer trains it."""

from __future__ import annotations

from ..graph import Node, topological
from ..nn import Module
from ..optim import Optimizer
from .edges import Cause


def name_of(parameter: Node, loss: Node, model: Module | None) -> str:
    """What a parameter is called: its own name, its path in the model, or the module that reads it."""
    if parameter.name:
        return parameter.name
    for path, variable in () if model is None else model.named_variables():
        if variable is parameter:
            return path
    for node in topological([loss]):
        if node.origin.module and any(child is parameter for child in node.inputs):
            return f"{node.origin.module}'s {parameter.label} of shape {parameter.shape}"
    return parameter.label


def training(
    parameter: Node, optimizer: Optimizer | None, model: Module | None
) -> tuple[bool | None, list[Cause]]:
    """Whether an optimizer trains it, and why not."""
    frozen = _frozen(parameter, model)
    if optimizer is None:
        return None, frozen
    for number, group in enumerate(optimizer.groups):
        if any(parameter is trained for trained in group.parameters):
            rate = float(optimizer.learning_rate(number))
            if rate:
                return True, []
            return True, [
                Cause("frozen", "its learning rate is 0: it is frozen", parameter, "raise the learning rate")
            ]
    twins = [
        p for p in optimizer.parameters if p.name and p.name == parameter.name and p.shape == parameter.shape
    ]
    if twins:
        text = (
            f"it is not among the optimizer's parameters; another {twins[0].label} of the same shape is, "
            f"made at {twins[0].origin}: it belongs to another instance"
        )
        return False, [
            Cause("another instance", text, twins[0], "give the optimizer this model's parameters()")
        ]
    if frozen:
        return False, frozen
    return False, [
        Cause(
            "not trained",
            f"it is not among the optimizer's {len(optimizer.parameters)} parameters: frozen, or left out",
            parameter,
            "give it to the optimizer (a module's parameters() leaves out what its `fixed` names)",
        )
    ]


def _frozen(parameter: Node, model: Module | None) -> list[Cause]:
    """Whether a model declares it as fixed, or does not know it."""
    if model is None or any(variable is parameter for variable in model.parameters()):
        return []
    for path, variable in model.named_variables():
        if variable is parameter:
            return [Cause("frozen", f"it is frozen: {path} is fixed in the model", parameter)]
    text = f"it is no variable of the model, a {type(model).__name__}: it belongs to another instance"
    return [
        Cause("another instance", text, parameter, "take the parameter from the model that makes the loss")
    ]
