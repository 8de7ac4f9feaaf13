"""``python -m modelmesh_core.cli``: the same as the script ``modelmesh``."""

import sys

from . import main

sys.exit(main())
