"""``python -m wscore``: the same as the ``wscore`` command."""

import sys

from .cli.main import main

sys.exit(main())
