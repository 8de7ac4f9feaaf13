"""``quick_frozen``: for values of which every request makes several."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attrs import frozen as quick_frozen
else:
    from functools import partial

    from attrs import define

    # To a type checker such a class is frozen, and nothing may change it. At run time this is not enforced: to fill an
    # object that refuses to be changed takes three times as long.
    quick_frozen = partial(define, unsafe_hash=True)

__all__ = ["quick_frozen"]
