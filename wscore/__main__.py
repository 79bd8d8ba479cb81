"""``python -m wscore``: the same as the ``wscore`` command."""

import sys

from .cli import main

sys.exit(main())
