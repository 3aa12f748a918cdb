"""The generator and what is drawn from it, in Python's integers and NumPy: an independent reference."""

from __future__ import annotations

from typing import Any

import numpy as np

MASK = 0xFFFFFFFF


def block(counter: tuple[int, int], key: tuple[int, int]) -> tuple[int, int]:
    """threefry2x32-20 in Python's integers, written from the paper's figure and its Table 2."""
    schedule = [*key, 0x1BD11BDA ^ key[0] ^ key[1]]
    x, y = (counter[0] + key[0]) & MASK, (counter[1] + key[1]) & MASK
    for number, rotation in enumerate(
        [13, 15, 26, 6, 17, 29, 16, 24, 13, 15, 26, 6, 17, 29, 16, 24, 13, 15, 26, 6]
    ):
        x = (x + y) & MASK
        y = ((y << rotation | y >> (32 - rotation)) & MASK) ^ x
        if number % 4 == 3:
            turn = number // 4 + 1
            x = (x + schedule[turn % 3]) & MASK
            y = (y + schedule[(turn + 1) % 3] + turn) & MASK
    return x, y


def stream(key: tuple[int, int], count: int) -> list[int]:
    return [word for n in range((count + 1) // 2) for word in block((n, 0), key)][:count]


def unit(key: tuple[int, int], count: int, dtype: str) -> Any:
    """Numbers in [0, 1): the upper 24 bits of a word, or 53 bits of two."""
    if dtype == "float32":
        return np.array([(word >> 8) / 2**24 for word in stream(key, count)], "f")
    words = stream(key, 2 * count)
    pairs = zip(words[::2], words[1::2], strict=True)
    return np.array([((a >> 5) * 2**26 + (b >> 6)) / 2**53 for a, b in pairs], "d")


def standard_normal(key: tuple[int, int], count: int, dtype: str) -> Any:
    """Box and Muller: two normal numbers out of two uniform ones."""
    u, v = unit(key, 2 * ((count + 1) // 2), dtype).astype("d").reshape(-1, 2).T
    radius, angle = np.sqrt(-2 * np.log(1 - u)), 2 * np.pi * v
    both = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return both.reshape(-1)[:count].astype(dtype)
