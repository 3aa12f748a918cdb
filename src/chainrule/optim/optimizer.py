"""The optimizer as graph: from a loss to the next values of parameters, state and step counter."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import ClassVar, Unpack

import numpy as np
from numpy.typing import ArrayLike

from .. import dtypes
from ..differentiate import gradients, why_no_gradient
from ..dtypes import DType, is_float
from ..errors import ArgumentError, DerivativeError, ShapeError
from ..graph import Array, Node, Variable, constant, module_scope, user_place, variable
from ..ops import astype
from .checks import Range, in_range
from .clipping import Clip
from .groups import CommonOptions, Group, Parameters, keys_of, read_groups
from .regularisers import penalty_gradient
from .schedules import Schedule

Gradients = Mapping[Variable, Node | None] | Sequence[Node | None]


class Optimizer:
    """What all update rules share: groups, schedules, clipping, weight decay, state, the step counter.

    A step is graph: :meth:`updates` gives ``variable → next value`` for the parameters that the loss
    depends on, for their state and for the step counter.  An engine runs them together with the loss.

    - ``parameters``: variables, each trained once, or groups ``{"parameters": [...], "learning_rate": …}``
      that override any option but ``clip``, the rule's own included;
    - ``learning_rate``: a number or a schedule;
    - ``weight_decay`` λ: coupled, g ← g + λθ; ``decoupled=True``: θ ← θ - ηλθ beside the rule's step
      (Loshchilov and Hutter, 2019);
    - ``l1``, ``l2``: the gradients of the penalties of ``regularisers.py``, λ₁·sign(θ) + 2λ₂·θ;
    - ``penalise``: a function that says which parameters decay and penalties apply to, for example
      ``except_biases``;
    - ``clip``: a :class:`Clip`;
    - ``constraint``: what a new value is held to, for example ``max_norm(3.0)``.

    The order is that of the loss: penalties belong to it, so they are added first, then the gradients
    are clipped, then coupled weight decay is added, then the rule is applied, and last the constraint.

    All arithmetic on a parameter is in its own dtype.  A gradient that is not finite makes its
    parameter and state NaN or infinite: nothing is skipped in silence.  The loop that runs the step is
    told by the engine (``Program(…, finite=True)``) before anything is replaced.

    **A rule of your own** is a subclass with :meth:`rule` and, if it remembers anything, :meth:`slots`.
    Its options are set on ``self`` before ``super().__init__``; groups can then override them too, and
    ``ranges`` holds them to half-open intervals.

    >>> import chainrule as cr
    >>> from chainrule.engines.stepper import Stepper
    >>> class Lion(cr.optim.Optimizer):
    ...     '''c = β₁m + (1-β₁)g;  θ = θ - η·sign(c);  m = β₂m + (1-β₂)g   (Chen et al., 2023)'''
    ...     ranges = {"beta1": (0.0, 1.0), "beta2": (0.0, 1.0)}
    ...     def __init__(self, parameters, learning_rate=1e-4, *, beta1=0.9, beta2=0.99, **common):
    ...         self.beta1, self.beta2 = beta1, beta2
    ...         super().__init__(parameters, learning_rate, **common)
    ...     def slots(self, parameter):
    ...         return {"mean": 0.0 * parameter.array}
    ...     def rule(self, parameter, gradient, state, learning_rate, step):
    ...         direction = self.beta1 * state["mean"] + (1 - self.beta1) * gradient
    ...         mean = self.beta2 * state["mean"] + (1 - self.beta2) * gradient
    ...         return parameter - learning_rate * cr.sign(direction), {"mean": mean}
    >>> w = cr.variable([3.0, -2.0], name="w")
    >>> loss = cr.sum(w * w)
    >>> optimizer = Lion([w], learning_rate=0.5)
    >>> step = Stepper([loss], optimizer.updates(loss))
    >>> [float(step.run({})[0]) for _ in range(4)], w.value
    ([13.0, 8.5, 5.0, 2.5], array([1., 0.], dtype=float32))
    >>> sorted(optimizer.state)
    ['learning_rate_scale', 'step', 'w.mean']
    """

    #: The half-open interval of each number among the rule's own options.
    ranges: ClassVar[Mapping[str, Range]] = {}

    def __init__(
        self, parameters: Parameters, learning_rate: float | Schedule = 0.01, **common: Unpack[CommonOptions]
    ) -> None:
        name = type(self).__name__
        clip = common.pop("clip", None)
        if clip is not None and not isinstance(clip, Clip):
            raise ArgumentError(
                f"{name}: clip is {clip!r}", where=user_place(), mend="for example clip=Clip(global_norm=5.0)"
            )
        self._check_own(name)
        self._own = dict(vars(self))
        self.clip = clip
        self.groups = read_groups(name, parameters, learning_rate, common, self._own)
        self.parameters = tuple(p for group in self.groups for p in group.parameters)
        #: The dtype of the step's scalars: the widest of the parameters'.
        self.dtype: DType = dtypes.promote(*[p.dtype for p in self.parameters])
        self.step = variable(np.zeros((), np.int64), name="step")
        #: A factor on every learning rate, for what the host decides between steps.
        self.learning_rate_scale = variable(np.ones((), self.dtype), name="learning_rate_scale")
        self._rules = [self._rule_of(group, index) for index, group in enumerate(self.groups)]
        self._keys = keys_of(self.parameters)
        self._slots = {
            parameter: {
                slot: self._new_slot(parameter, slot, initial)
                for slot, initial in rule.slots(parameter).items()
            }
            for group, rule in zip(self.groups, self._rules, strict=True)
            for parameter in group.parameters
        }

    # -- what a rule says --------------------------------------------------------------------------

    def slots(self, parameter: Variable) -> Mapping[str, ArrayLike]:
        """What the rule remembers about a parameter: name → initial array.  Floats take its dtype."""
        return {}

    def rule(
        self,
        parameter: Node,
        gradient: Node,
        state: Mapping[str, Node],
        learning_rate: Node,
        step: Node,
    ) -> tuple[Node, Mapping[str, Node]]:
        """The next value of the parameter and of every slot.

        ``learning_rate`` and ``step`` (t = 1, 2, 3, …) are scalars of the parameter's dtype.
        """
        raise ArgumentError(
            f"{type(self).__name__} has no rule", mend="define rule(self, parameter, gradient, state, …)"
        )

    # -- the step as graph -------------------------------------------------------------------------

    def learning_rate(self, group: int = 0) -> Node:
        """The rate of the next step: the group's schedule at the step counter, times the scale.

        >>> import chainrule as cr
        >>> optimizer = cr.optim.SGD([cr.variable(1.0)], cr.optim.exponential(8.0, 0.5))
        >>> optimizer.step.assign(2)
        >>> float(optimizer.learning_rate())
        2.0
        """
        rate = constant(self.groups[group].schedule(astype(self.step, self.dtype)), self.dtype)
        if rate.shape != ():
            raise ShapeError(
                f"{type(self).__name__}: the schedule gave a rate of shape {rate.shape}; it must be a scalar",
                where=str(rate.origin),
            )
        return astype(rate, self.dtype) * self.learning_rate_scale

    def updates(self, loss_or_gradients: Node | Gradients) -> dict[Variable, Node]:
        """The next value of each parameter, each slot of its state, and the step counter, as nodes.

        From a scalar loss; or from gradients, as a mapping or in the order of ``self.parameters``.
        A parameter that no gradient reaches (None) is left alone, its state too.

        Errors: ``DerivativeError`` where a gradient reaches none of them, with the reasons;
        ``ShapeError`` for a gradient or a rule's result of another shape.
        """
        found = self._prepared(self._read_gradients(loss_or_gradients))
        following = self.step + 1
        parameters: dict[Variable, Node] = {}
        slots: dict[Variable, Node] = {}
        for index, (group, rule) in enumerate(zip(self.groups, self._rules, strict=True)):
            rate = self.learning_rate(index)
            for parameter in group.parameters:
                if parameter not in found:
                    continue
                with module_scope(f"optimizer.{self._keys[parameter]}"):
                    new, state = self._apply(group, rule, parameter, found[parameter], rate, following)
                parameters[parameter] = new
                slots |= state
        return {**parameters, **slots, self.step: following}

    def _read_gradients(self, given: Node | Gradients) -> dict[Variable, Node]:
        """The gradients that flow, each of its parameter's shape and dtype."""
        name = type(self).__name__
        pairs: dict[Variable, Node | None]
        if isinstance(given, Node):
            pairs = dict(zip(self.parameters, gradients(given, self.parameters), strict=True))
        elif isinstance(given, Mapping):
            pairs = dict(given)
            strangers = [getattr(key, "label", repr(key)) for key in pairs if key not in self._keys]
            if strangers:
                raise ArgumentError(
                    f"{name}: a gradient is given for {', '.join(strangers)}, which it does not train",
                    where=user_place(),
                )
        else:
            if len(given) != len(self.parameters):
                raise ArgumentError(
                    f"{name}: {len(given)} gradients for {len(self.parameters)} parameters",
                    where=user_place(),
                    mend="give one for each, in the order of optimizer.parameters, or a mapping",
                )
            pairs = dict(zip(self.parameters, given, strict=True))
        found = {p: g for p, g in pairs.items() if g is not None}
        if not found:
            raise self._nothing_flows(given)
        wrong = [
            f"{self._called(p)} has shape {p.shape}, its gradient {g.shape}"
            for p, g in found.items()
            if p.shape != g.shape
        ]
        if wrong:
            raise ShapeError(f"{name}: {'; '.join(wrong)}", where=user_place())
        return {p: astype(found[p], p.dtype) for p in self.parameters if p in found}

    def _nothing_flows(self, given: Node | Gradients) -> DerivativeError:
        lines = [f"{type(self).__name__}: no gradient reaches any of its {len(self.parameters)} parameters"]
        for parameter in self.parameters[:8]:
            reason = f": {why_no_gradient(given, parameter)}" if isinstance(given, Node) else ""
            lines.append(f"  {self._called(parameter)}{reason}")
        if len(self.parameters) > 8:
            lines.append(f"  and {len(self.parameters) - 8} more")
        return DerivativeError(
            "\n".join(lines), where=user_place(), mend="train the variables that the loss is made of"
        )

    def _prepared(self, found: dict[Variable, Node]) -> dict[Variable, Node]:
        """The gradients with the penalties' added, clipped."""
        prepared = dict(found)
        for group in self.groups:
            for p in group.parameters:
                extra = penalty_gradient(p, group.l1, group.l2) if group.penalise(p) else None
                if p in prepared and extra is not None:
                    prepared[p] = prepared[p] + extra
        if self.clip is None:
            return prepared
        return dict(zip(prepared, self.clip(list(prepared.values())), strict=True))

    def _apply(
        self, group: Group, rule: Optimizer, parameter: Variable, gradient: Node, rate: Node, step: Node
    ) -> tuple[Node, dict[Variable, Node]]:
        """One parameter's next value and that of its slots."""
        rate, t = astype(rate, parameter.dtype), astype(step, parameter.dtype)
        decay = group.weight_decay if group.penalise(parameter) else 0.0
        if decay and not group.decoupled:
            gradient = gradient + decay * parameter
        slots = self._slots[parameter]
        new, state = rule.rule(parameter, gradient, slots, rate, t)
        if decay and group.decoupled:
            new = new - rate * decay * parameter
        if group.constraint is not None:
            new = group.constraint(new)
        if state.keys() != slots.keys():
            raise ArgumentError(
                f"the rule of {type(self).__name__} gave the state {sorted(state)}, not {sorted(slots)}",
                where=user_place(),
                mend="give the next value of each of its slots, changed or not",
            )
        return (
            self._conform(self._called(parameter), new, parameter),
            {
                slots[name]: self._conform(slots[name].label, node, slots[name])
                for name, node in state.items()
            },
        )

    def _conform(self, what: str, new: Node, old: Variable) -> Node:
        if new.shape != old.shape:
            raise ShapeError(
                f"the rule of {type(self).__name__} gave {what} the shape {new.shape}; it has {old.shape}",
                where=str(new.origin),
            )
        return astype(new, old.dtype)

    # -- state -------------------------------------------------------------------------------------

    @property
    def state(self) -> dict[str, Variable]:
        """Every variable of the optimizer under a stable name: what a checkpoint must hold.

        ``"step"``, ``"learning_rate_scale"``, and ``"<parameter>.<slot>"``, where a parameter without a
        name of its own goes by its number.
        """
        return {
            "step": self.step,
            "learning_rate_scale": self.learning_rate_scale,
            **{
                f"{self._keys[parameter]}.{slot}": held
                for parameter, slots in self._slots.items()
                for slot, held in slots.items()
            },
        }

    def state_dict(self) -> dict[str, Array]:
        """The arrays of :attr:`state`, copied."""
        return {name: held.copy() for name, held in self.state.items()}

    def load_state_dict(self, arrays: Mapping[str, Array]) -> None:
        """Continue from what :meth:`state_dict` gave: bit for bit the same steps follow.

        Names, shapes and dtypes must be the same; the ``ArgumentError`` names everything that differs,
        and nothing has been loaded then.
        """
        state = self.state
        problems = [f"missing: {name}" for name in state if name not in arrays]
        problems += [f"not of this optimizer: {name}" for name in arrays if name not in state]
        for name in state.keys() & arrays.keys():
            held, given = state[name], np.asarray(arrays[name])
            if (given.shape, given.dtype) != (held.shape, held.dtype):
                problems.append(f"{name} is {held.dtype} {held.shape}; given is {given.dtype} {given.shape}")
        if problems:
            raise ArgumentError(
                "\n  ".join([f"{type(self).__name__}: this state does not fit", *sorted(problems)]),
                where=user_place(),
                mend="build the optimizer with the rule, options and parameters it was saved with",
            )
        for name, held in state.items():
            held.assign(arrays[name])

    def __repr__(self) -> str:
        own = "".join(f", {name}={value!r}" for name, value in self._own.items())
        groups = f" in {len(self.groups)} groups" if len(self.groups) > 1 else ""
        return f"{type(self).__name__}({len(self.parameters)} parameters{groups}{own})"

    # -- construction ------------------------------------------------------------------------------

    def _called(self, parameter: Variable) -> str:
        return parameter.name or f"parameter {self._keys[parameter]}"

    def _check_own(self, where: str) -> None:
        for (
            name,
            allowed,
        ) in self.ranges.items():  # a plain float takes the parameter's dtype, NumPy's does not
            setattr(self, name, in_range(f"{where}: {name}", getattr(self, name), allowed))

    def _rule_of(self, group: Group, index: int) -> Optimizer:
        """The rule with the group's options: a copy of this optimizer that differs in them alone."""
        rule, where = copy.copy(self), f"{type(self).__name__}, group {index}"
        for name, value in group.own.items():
            if isinstance(value, bool) is not isinstance(self._own[name], bool):
                raise ArgumentError(
                    f"{where}: {name} is {value!r}, elsewhere {self._own[name]!r}",
                    where=user_place(),
                )
            setattr(rule, name, value)
        rule._check_own(where)
        return rule

    def _new_slot(self, parameter: Variable, slot: str, initial: ArrayLike) -> Variable:
        if not slot.isidentifier():
            raise ArgumentError(f"{type(self).__name__}: a slot cannot be called {slot!r}; use a plain word")
        array = np.asarray(initial)
        dtype = parameter.dtype if is_float(array.dtype) else array.dtype
        return variable(array, dtype, name=f"{self._keys[parameter]}.{slot}")
