"""The Frey Faces as a TFDS dataset."""
