"""Reaching a node that can only dial, through one that can be dialled.

relay     what a relay does: it joins two streams, and passes bytes that it cannot read
homes     what its client does: it keeps a link to one or two relays, and comes when it is called
through   what a caller does: it asks a relay for a stream to somebody
"""
