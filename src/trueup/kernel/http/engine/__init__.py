"""The mathematics of the doors: buckets, cursors, cells. Pure."""
