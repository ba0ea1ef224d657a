"""`from _messages import ...` in the tests of this folder.

It works in every import mode of pytest, without putting the checkout itself, and its
unbuilt fastserve, on the path.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
