"""The datasets that can be loaded by name, and whether they are downloaded."""

from pathlib import Path
from typing import Any

from kvae.data import digits, tfds
from kvae.data.request import default_data_dir


def catalog(data_dir: Path | None = None) -> list[dict[str, Any]]:
    """List the built-in datasets.

    Args:
        data_dir: Where TFDS keeps its datasets; None is `default_data_dir()`.

    Returns:
        For each dataset its `name`, its `description`, and whether it is `ready`, that is, loads
        without a download.
    """
    root = data_dir or default_data_dir()
    embedded = {"name": "digits", "description": digits.DESCRIPTION, "ready": True}
    return [
        embedded,
        *(
            {
                "name": name,
                "description": description,
                "ready": tfds.prepared_folder(root, tfds_name) is not None,
            }
            for name, (tfds_name, description) in tfds.BUILT_IN.items()
        ),
    ]
