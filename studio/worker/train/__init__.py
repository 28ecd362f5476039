"""Training: `recipe.run` in one order for every method."""
