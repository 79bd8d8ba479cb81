"""A connection: the façade that applications see, and what it is made of."""
