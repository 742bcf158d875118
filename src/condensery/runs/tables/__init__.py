"""Tables of papers, made again on the data at hand, with the figures that the papers print."""
