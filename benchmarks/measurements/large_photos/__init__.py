"""Large photos: the memory of the largest that are accepted, and decoding at reduced scale."""
