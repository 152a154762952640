"""What a model is, the networks and distributions that models are made of, and the families."""

import json
import os
import sys
from pathlib import Path

from kvae.errors import KvaeError


def _backend() -> str:
    """The backend of Keras, as Keras finds it, without importing Keras."""
    if "keras" in sys.modules:
        return str(sys.modules["keras"].backend.backend())
    if os.environ.get("KERAS_BACKEND"):
        return os.environ["KERAS_BACKEND"]
    folder = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    try:
        return json.loads(Path(folder, "keras.json").read_text(encoding="utf-8"))["backend"]
    # Keras takes its default where it cannot read the file.
    except (OSError, ValueError, KeyError, TypeError):
        return "tensorflow"


# Here, because importing Keras fails if its backend is not installed.
if _backend() != "tensorflow":
    raise KvaeError(
        f"the backend of Keras is {_backend()!r}, and kvae needs TensorFlow: set "
        "KERAS_BACKEND=tensorflow before Keras is imported"
    )
