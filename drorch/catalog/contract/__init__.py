"""The catalog's contract by subject: the records of each and what can be asked. ``catalog.interface`` is all of it.

Records are frozen, with aware times that are kept to the millisecond. Ids are text in the one form that ``drorch.ids`` gives
them; digests and lanes are hexadecimal. ``host`` is a name that no two machines share, and ``process_started`` is what
``catalog.liveness`` says of a process: with ``pid`` it names one process for ever, whatever pid is used again later.
"""
