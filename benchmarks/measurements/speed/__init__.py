"""How fast the classifier opens and answers."""
