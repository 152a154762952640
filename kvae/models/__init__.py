"""What a model is, the networks and distributions that models are made of, and the families."""
