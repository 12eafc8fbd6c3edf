"""How a kind of model is validated and what it predicts."""
