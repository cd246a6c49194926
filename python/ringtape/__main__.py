"""``python -m ringtape``."""

from __future__ import annotations

import sys

from ringtape.cli.main import main

sys.exit(main())
