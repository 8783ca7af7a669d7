"""Reports of a study's `Results`: a terminal summary and one self-contained HTML file. Computes no statistics."""
