"""An episode of an evaluation to look at: recorded, then written as a page or as a GIF."""
