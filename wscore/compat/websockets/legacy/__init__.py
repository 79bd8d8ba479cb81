"""What published packages still import of websockets' first asyncio API, from before 14.0.

websockets warns on each import that this API is deprecated; so does this package.
"""

from __future__ import annotations

import warnings

warnings.warn(
    "websockets.legacy is deprecated; "
    "see https://websockets.readthedocs.io/en/stable/howto/upgrade.html for upgrade instructions",
    DeprecationWarning,
    stacklevel=2,
)
