"""An encrypted, deduplicated snapshot store on any ``ObjectStore`` (docs/FORMAT.md).

``opening`` finds and checks a repository, ``writer`` adds a snapshot to a lane, ``reader`` gives one back, ``checker`` tells
what is damaged, ``sweeper`` deletes what nothing needs.
"""
