"""How rows are written in a shape, one file per shape.

A writer is a module here whose one export has the name of the shape that reads it back: a function from an example to
the columns of its row. It raises Unusable where the shape has no place for something that the row says.
"""
