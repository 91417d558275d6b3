"""The process that keeps schedules: wakes when something is due, starts each run as a process of its own, tells who listens."""
