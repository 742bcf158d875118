"""Several methods on the same data, evaluated by the same networks, in one table by size."""
