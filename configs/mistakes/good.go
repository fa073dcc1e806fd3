package mistakes

// Good is what the mistakes are made in: a configuration without one, that has every key.
const Good = `[cluster]
name = "cache-prod"
key_file = "gossip.key"
witnesses = ["w1"]
lease = "600ms"
clock_drift = 0.01
port = 7946
fence = "auto"

[cluster.voters]
cache1 = "10.0.0.11"
cache2 = "10.0.0.12"
w1 = "10.0.0.10"

[cluster.nodes]
cache3 = "10.0.0.13"

[memcached]
address = "127.0.0.1:11211"
restart_command = ["restart", "it"]

[health]
interval = "100ms"
deadline = "150ms"
fall = 3
fresh_interval = "1s"

[[vip]]
address = "10.0.0.101"
home = "cache1"
failback = "auto"
failback_delay = "5s"
candidates = ["cache1", "cache2"]

[[vip]]
address = "fd00::102/64"
home = "cache3"
interface = "eth0"
instance = "127.0.0.1:11302"
restart_command = ["restart", "other"]

[agent]
stop = "handover"
log = "auto"
log_level = "info"

[hooks]
claim = ["moved", "in"]
timeout = "10s"

[metrics]
listen = "127.0.0.1:9750"
`
