"""Tables of papers, made again on the data at hand, with what the paper prints beside."""
