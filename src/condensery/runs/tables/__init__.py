"""Tables of papers, reproduced on the given data, with the figures that the papers print."""
