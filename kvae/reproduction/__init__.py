"""The claims that were made about these models, and the code that measures them."""
