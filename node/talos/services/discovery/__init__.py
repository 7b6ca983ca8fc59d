"""Finding whom one has no address of: the DHT over sealed datagrams, beacons on our own network.

ports      UDP ports: sealed datagrams in and out
dht        one `talos_dht.Dht`, driven: its datagrams, its timer, whoever waits for a job
key_logs   by what statements of strangers are checked, and where those come from
lan        what we say on our own network, and who was heard there
announce   what this node says of itself, said again every hour
finder     where a peer is now: each source asked in its order
kept       rows of the cache, in memory, written behind
"""
