"""JSONata evaluation that cannot hurt: in processes of its own, bounded in time and memory.

Empty on purpose: the evaluator process imports this package and should stay small.
"""
