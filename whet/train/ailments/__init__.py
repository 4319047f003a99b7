"""What a run can suffer from, told by its logged figures: the ailments of one kind of learning a file.

Each ailment is a pure function from `Figures` to an `Alarm`, or None where the run is well or nothing can be told.
"""
