"""Benchmarks are not installed: their place is appended, so that kvae is the installed one."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))
