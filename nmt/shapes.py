"""Types of tensors that say their shapes, such as Float[Tensor, "B Tx H"].

They are jaxtyping's where the tests check them (tests/conftest.py); elsewhere jaxtyping is not imported, and
they are the tensor's type with a note.
"""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Bool, Float, Int, Shaped
else:
    from typing import Annotated as Bool
    from typing import Annotated as Float
    from typing import Annotated as Int
    from typing import Annotated as Shaped

__all__ = ["Bool", "Float", "Int", "Shaped"]
