"""Machines that lie, among honest nodes: keys of their own, datagrams that open, and hardly a true word.

`lair.py` is such a machine, `loot.py` what it has to show, `words.py` and `babble.py` what it says in datagrams,
`doors.py` what it does to who dials it, and `knocks.py` to whom it dials. Whatever it draws belongs to the seed.
"""
