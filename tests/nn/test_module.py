"""Modules: what they consist of, their state, and what a call of one means."""

from __future__ import annotations

import threading
from collections import namedtuple

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ArgumentError, RunFolderError
from chainrule.graph import module_scope


class Holder(nn.Module):
    """Whatever is given, as attributes."""

    def __init__(self, **attributes):
        for name, value in attributes.items():
            setattr(self, name, value)

    def forward(self, x, mode=nn.EVALUATE):
        return x


def v(size=1):
    return cr.variable([0.0] * size)


def names(module):
    return [name for name, _ in module.named_parameters()]


# -- what a module consists of ---------------------------------------------------------------------

Pair = namedtuple("Pair", ["left", "right"])


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"w": v()}, ["w"]),
        ({"b": v(), "a": v()}, ["b", "a"]),  # the order of the attributes, not of the alphabet
        ({"inner": Holder(w=v())}, ["inner.w"]),
        ({"items": [v(), Holder(w=v())]}, ["items.0", "items.1.w"]),
        ({"items": (v(), [v(), {"k": v()}])}, ["items.0", "items.1.0", "items.1.1.k"]),
        ({"pair": Pair(v(), Holder(w=v()))}, ["pair.0", "pair.1.w"]),
        ({"table": {"x": v(), 7: Holder(w=v())}}, ["table.x", "table.7.w"]),
        ({"width": 3, "name": "w", "f": np.tanh, "none": None, "empty": []}, []),
        ({"node": v() + 1, "array": np.zeros(3)}, []),  # computed values and arrays are no parameters
    ],
)
def test_variables_are_found_in_attributes_and_containers(attributes, expected):
    assert names(Holder(**attributes)) == expected


def test_shared_variables_and_modules_count_once_under_their_first_place():
    w, inner = v(5), Holder(w=v(7))
    module = Holder(first=w, again=[w], one=inner, two={"again": inner})
    assert names(module) == ["first", "one.w"]
    assert module.parameter_count() == 12
    assert [path for path, _ in module.named_modules()] == ["", "one"]
    assert list(module.state_dict()) == ["first", "one.w"]


def test_attributes_that_lead_back_to_the_module_end():
    module = Holder(w=v())
    module.me = module
    module.loop = [module]
    module.loop.append(module.loop)
    module.child = Holder(parent=module, w=v())
    assert names(module) == ["w", "child.w"]
    assert repr(module).startswith("Holder(\n  (child): Holder(")
    assert module(cr.constant(1.0)).value == 1.0


def test_variables_take_their_paths_as_names_and_keep_names_they_have():
    module = Holder(inner=Holder(w=v(), called=cr.variable(1.0, name="tau")))
    assert [variable.name for variable in module.parameters()] == ["inner.w", "tau"]


def test_two_variables_under_one_path_are_an_error_not_a_loss():
    module = Holder(table={"a.b": v(), "a": {"b": v()}})
    with pytest.raises(ArgumentError) as caught:
        module.state_dict()
    assert str(caught.value) == (
        "Holder has two variables called table.a.b\n"
        "  mend:  give the dict that holds one of them keys without dots, all strings or all numbers"
    )


def test_fixed_variables_are_saved_and_not_trained():
    frozen = Holder(w=v(2), deep=Holder(v=v(3)), list=[v()])
    frozen.fixed = ("w", "deep")
    module = Holder(a=frozen, b=nn.BatchNorm(4), c=nn.Embedding(5, 2, seed=0, frozen=True))
    assert names(module) == ["a.list.0", "b.scale", "b.shift"]
    assert list(module.state_dict()) == [
        "a.w", "a.deep.v", "a.list.0", "b.scale", "b.shift", "b.mean", "b.variance", "c.weight",
    ]  # fmt: skip


def test_a_variable_fixed_in_one_place_is_fixed_in_all():
    table = nn.Embedding(5, 2, seed=0, frozen=True)
    assert names(Holder(output=table.weight, table=table)) == []


# -- state -----------------------------------------------------------------------------------------


def network(seed):
    seeds = nn.Seeds(seed)
    return nn.Sequential(nn.Linear(3, 4, seed=seeds), nn.BatchNorm(4), nn.Linear(4, 2, seed=seeds))


def test_state_makes_the_round_trip_and_is_a_copy():
    one, other = network(0), network(1)
    state = one.state_dict()
    other.load_state_dict(state)
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("f")
    assert np.array_equal(one(cr.constant(x)).value, other(cr.constant(x)).value)
    state["layers.0.bias"][:] = 7  # neither model sees what happens to the copy
    assert not one.layers[0].bias.value.any()
    assert not other.layers[0].bias.value.any()


def test_every_misfit_is_reported_and_nothing_is_loaded():
    model = network(0)
    before = model.state_dict()
    state = network(1).state_dict()
    del state["layers.0.bias"]
    state["layers.2.weight"] = np.zeros((2, 4))
    state["layers.1.mean"] = np.zeros(4, complex)
    state["layers.1.shift"] = np.array(["a"] * 4)
    state["head.weight"] = np.zeros(3)
    with pytest.raises(RunFolderError) as caught:
        model.load_state_dict(state)
    assert str(caught.value) == (
        "the state does not fit Sequential:\n"
        "  layers.0.bias: missing\n"
        "  layers.1.shift: <U1 given, float32 expected\n"
        "  layers.1.mean: complex128 given, float32 expected\n"
        "  layers.2.weight: shape (2, 4) given, (4, 2) expected\n"
        "  head.weight: not a variable of the model\n"
        "  mend:  build the model with the configuration it was saved with"
    )
    after = model.state_dict()
    assert all(np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    ("held", "given", "fits"),
    [
        ("float32", "float64", True),
        ("float64", "float32", True),
        ("float32", "int32", True),
        ("int64", "int32", True),
        ("int64", "float32", False),
        ("bool", "int32", False),
    ],
)
def test_dtypes_are_converted_within_their_kind_only(held, given, fits):
    module = Holder(w=cr.variable(np.zeros(2, held)))
    state = {"w": np.array([1, 1], given)}
    if fits:
        module.load_state_dict(state)
        assert module.w.value.tolist() == [1, 1]
        assert module.w.value.dtype == held
    else:
        with pytest.raises(RunFolderError, match=f"w: {given} given, {held} expected"):
            module.load_state_dict(state)


# -- calls -----------------------------------------------------------------------------------------


class Recorder(nn.Module):
    """A tanh that keeps the node it made."""

    def forward(self, x):
        self.made = cr.tanh(x)
        return self.made


class Block(nn.Module):
    def __init__(self, first, parts):
        self.first, self.parts = first, parts

    def forward(self, x, mode=nn.EVALUATE):
        x = self.first(x, mode=mode)
        for part in self.parts.values():
            x = part(x, mode=mode)
        self.made = cr.exp(x)
        return self.made


def test_nodes_know_the_path_of_the_module_that_wrote_them():
    inner = [Recorder() for _ in range(12)]
    block = Block(Recorder(), {"a": Recorder(), "b": nn.Sequential(*inner)})
    model = nn.Sequential(nn.Identity(), block)
    model(cr.placeholder((2,), name="fresh"))
    assert block.made.origin.module == "layers.1"
    assert block.first.made.origin.module == "layers.1.first"
    assert block.parts["a"].made.origin.module == "layers.1.parts.a"
    assert inner[1].made.origin.module == "layers.1.parts.b.layers.1"
    assert inner[10].made.origin.module == "layers.1.parts.b.layers.10"  # not taken for inside layers.1


def test_a_model_called_inside_a_scope_is_below_it():
    model = nn.Sequential(nn.Sequential(Recorder()))
    with module_scope("encoder"):
        model(cr.placeholder((3,)))
    assert model[0][0].made.origin.module == "encoder.layers.0.layers.0"


def test_a_module_shared_by_two_others_goes_by_the_path_of_its_state():
    shared = Recorder()
    model = Block(nn.Sequential(shared), {"again": nn.Sequential(shared)})
    model(cr.placeholder((4,)))
    assert shared.made.origin.module == "first.layers.0"
    assert shared.made.inputs[0].origin.module == "first.layers.0"


def test_a_module_made_inside_forward_belongs_to_who_made_it():
    class Maker(nn.Module):
        def forward(self, x):
            self.kept = ()
            recorder = Recorder()
            recorder(x)
            return recorder.made

    assert nn.Sequential(Maker())(cr.placeholder((5,))).origin.module == "layers.0"


class Failing(nn.Module):
    def forward(self, x):
        raise KeyError("inside")


def test_an_exception_inside_forward_leaves_no_trace():
    with pytest.raises(KeyError), module_scope("outer"):
        nn.Sequential(Failing())(cr.placeholder((2,)), mode=nn.training())
    after = Recorder()
    after(cr.placeholder((6,)))
    assert after.made.origin.module == ""
    # The failed call was one in training: had it stayed, this would be refused.
    assert nn.Sequential(nn.Dropout(0.5))(cr.constant([1.0])).value == 1.0


def test_mode_is_kept_from_modules_that_take_none_and_given_to_those_that_do():
    seen = {}

    class Takes(nn.Module):
        def forward(self, x, mode):
            seen["takes"] = mode
            return x

    class TakesAnything(nn.Module):
        def forward(self, x, **more):
            seen["anything"] = more
            return x

    mode = nn.training()
    nn.Sequential(Recorder(), Takes(), TakesAnything(), cr.tanh)(cr.constant([1.0]), mode=mode)
    assert seen == {"takes": mode, "anything": {"mode": mode}}


def test_a_module_without_forward_says_so():
    with pytest.raises(ArgumentError) as caught:
        nn.Module()(1.0)
    assert str(caught.value) == "Module has no forward\n  mend:  define forward(self, x, …)"


# -- the mode may not be forgotten -----------------------------------------------------------------


class Forgets(nn.Module):
    def __init__(self, inner):
        self.inner = inner

    def forward(self, x, mode=nn.EVALUATE):
        return self.inner(x)


class HandsOn(Forgets):
    def forward(self, x, mode=nn.EVALUATE):
        return self.inner(x, mode)


@pytest.mark.parametrize(
    ("model", "named"),
    [
        (Forgets(nn.Dropout(0.5)), "inner"),
        (nn.Sequential(nn.Tanh(), Forgets(nn.BatchNorm(2))), "layers.1.inner"),
        (Forgets(nn.Sequential(nn.Dropout(0.5))), "inner"),  # what is inside depends on it
        (HandsOn(HandsOn(Forgets(nn.Residual(nn.Dropout(0.5))))), "inner.inner.inner"),
    ],
)
def test_a_forgotten_mode_is_an_error_at_any_depth(model, named):
    x = cr.placeholder((3, 2))
    assert model(x).shape == (3, 2)  # in evaluation nothing depends on it
    with pytest.raises(ArgumentError) as caught:
        model(x, mode=nn.training(cr.random.key(0)))
    assert caught.value.what == f"{named} was called in training without the mode"
    assert caught.value.mend == (
        "hand it on: model(x, mode=mode), or mode=cr.nn.EVALUATE if evaluation is meant"
    )
    assert "test_module.py" in caught.value.where


def test_evaluation_inside_training_can_be_asked_for():
    class Teacher(Forgets):
        def forward(self, x, mode=nn.EVALUATE):
            return self.inner(x, mode=nn.EVALUATE)

    model = Teacher(nn.Sequential(nn.Dropout(0.5)))
    assert model(cr.constant([1.0, 2.0]), mode=nn.training()).value.tolist() == [1, 2]
    assert Forgets(nn.Linear(2, 2, seed=0))(cr.placeholder((1, 2)), mode=nn.training()).shape == (1, 2)


def test_the_mode_may_be_given_by_position():
    model = HandsOn(HandsOn(nn.Dropout(0.5)))
    x = cr.constant([1.0] * 64)
    assert set(model(x, nn.training(cr.random.key(0))).value.tolist()) == {0.0, 2.0}


def test_a_training_step_refuses_a_model_that_was_called_without_the_mode():
    model = nn.Sequential(nn.Linear(2, 1, seed=0), nn.Dropout(0.5))
    optimizer = cr.optim.SGD(model.parameters(), 0.1)
    x = np.ones((3, 2), "f")
    with pytest.raises(ArgumentError, match="Sequential was called in training without the mode"):
        cr.train.TrainingStep(lambda x, mode: model(x).mean(), optimizer)((x,))
    cr.train.TrainingStep(lambda x, mode: model(x, mode=mode).mean(), optimizer)((x,))
    assert model(cr.constant(x)).shape == (3, 1)  # and what follows the step is evaluation again


def test_threads_do_not_see_each_others_calls():
    start, found = threading.Barrier(2, timeout=30), {}

    class Waits(nn.Module):
        def forward(self, x):
            start.wait()  # both threads are inside a model now
            made = cr.tanh(x)
            start.wait()
            return made

    def run(name, model, mode):
        found[name] = model(cr.placeholder((2,), name=name), mode=mode).origin.module

    deep = nn.Sequential(nn.Sequential(Waits()))
    jobs = [
        threading.Thread(target=run, args=("deep", deep, nn.training())),
        threading.Thread(target=run, args=("flat", nn.Sequential(Waits()), nn.EVALUATE)),
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(30)
    assert found == {"deep": "layers.0.layers.0", "flat": "layers.0"}


def test_observed_calls_come_inner_first_with_their_results():
    model = nn.Sequential(nn.Linear(2, 3, seed=0), nn.Tanh())
    calls = nn.observe_calls(model, lambda: model(cr.placeholder((5, 2))))
    assert [(path, type(module).__name__, result.shape) for path, module, result in calls] == [
        ("layers.0", "Linear", (5, 3)),
        ("layers.1", "Tanh", (5, 3)),
        ("", "Sequential", (5, 3)),
    ]


# -- text ------------------------------------------------------------------------------------------


def test_repr_shows_the_modules_as_a_tree():
    model = Holder(
        embedding=nn.Embedding(10, 4, seed=0, padding=0, frozen=True),
        convolutions=[nn.Conv1d(4, 8, 3, seed=0, padding=1), nn.Conv1d(4, 8, 5, seed=0, bias=False)],
        classifier=nn.Sequential(nn.Dropout(0.5), nn.Linear(16, 2, seed=0, bias=False), cr.tanh),
    )
    assert repr(model) == (
        "Holder(\n"
        "  (embedding): Embedding(10 × 4, padding row 0, frozen)\n"
        "  (convolutions.0): Conv1d(4 → 8, window 3, padding 1)\n"
        "  (convolutions.1): Conv1d(4 → 8, window 5)\n"
        "  (classifier): Sequential(\n"
        "    (0): Dropout(0.5)\n"
        "    (1): Linear(16 → 2, no bias)\n"
        "    (2): tanh\n"
        "  )\n"
        ")"
    )
