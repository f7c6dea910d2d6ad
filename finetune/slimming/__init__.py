"""From a full network to a slim one: fewer channels and blocks, then training with the full network's answers."""
