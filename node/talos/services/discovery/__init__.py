"""Finding whom one has no address of: the DHT over sealed datagrams, and what else may know.

ports      UDP ports: sealed datagrams in and out
dht        one `talos_dht.Dht`, driven: its datagrams, its timer, whoever waits for a job
key_logs   by what statements of strangers are checked, and where those come from
announce   what this node says of itself, said again every hour
finder     where a peer is now: each source asked in its order
kept       rows of the cache, in memory, written behind
"""
