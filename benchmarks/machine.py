"""What every benchmark prints first: the machine and the versions it ran on."""

from chainrule.bench import machine

__all__ = ["machine"]
