"""Trees of files as a source and as a target. The streams are described in docs/FORMAT.md section 16.

A capture walks the tree (``walking``), spools one line for each name, stores what is new or changed in content streams
(``segments``, ``reading``), leaves what is as before where it lies (``memory``), and gives the listing last (``capture``).
A restore checks the listing whole (``listing``), builds a tree beside the target (``building``) and swaps it in (``replacement``).
"""
