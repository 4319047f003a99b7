"""The main job: train, compare, judge, report."""
