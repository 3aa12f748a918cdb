"""What ``import chainrule`` gives at once, and what when it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import chainrule as cr


def test_rooms_on_demand_are_the_rooms() -> None:
    from_names = {name: getattr(cr, name) for name in cr._ON_DEMAND}
    for name, room in cr._ON_DEMAND.items():
        module = sys.modules[f"chainrule.{room}"]
        assert from_names[name] is (module if name == room else getattr(module, name))
    assert set(cr._ON_DEMAND) <= set(dir(cr))


def test_a_name_that_nobody_has_is_missed() -> None:
    with pytest.raises(AttributeError, match="'chainrule' has no attribute 'nonsense'"):
        cr.nonsense  # noqa: B018  # to look is what is tried


def test_what_a_first_step_does_not_need_is_not_loaded() -> None:
    code = """
import sys, chainrule as cr
w = cr.variable([1.0, 2.0])
(w * w).sum().backward()
slow = ["numpy.ma", "numpy.polynomial", *[f"chainrule.{room}" for room in set(cr._ON_DEMAND.values())]]
print(*[name for name in slow if name in sys.modules])
print(cr.train.fit.__name__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["", "fit"]
