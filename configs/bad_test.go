package configs

import (
	"errors"
	"strings"
	"testing"
)

// good is what the bad configurations below are made of, one change each.
const good = `[cluster]
name = "cache-prod"
key_file = "gossip.key"
witnesses = ["w1"]
lease = "600ms"
clock_drift = 0.01
port = 7946
fence = "off"

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
`

func TestGoodIsGood(t *testing.T) {
	c, err := Parse("agent.toml", good)
	if err != nil {
		t.Fatal(err)
	}
	if w := c.Warnings(); len(w) > 0 {
		t.Errorf("warnings: %q", w)
	}
}

// A bad configuration: the good one with old replaced by new, and all that is said about it. An empty old
// means that new is the whole file.
type badConfig struct {
	name, old, new, want string
}

var badConfigs = []badConfig{
	// The text as a whole.
	{"empty file", "", "",
		`agent.toml:1: an empty file; expected [cluster], [memcached] and [[vip]]`},
	{"only a comment", "", "# later\n",
		`agent.toml:1: an empty file; expected [cluster], [memcached] and [[vip]]`},
	{"no quotes", `home = "cache1"`, `home = cache1`,
		`agent.toml:30: not TOML: expected value but found "cache" instead; expected valid TOML`},
	{"string not closed", `name = "cache-prod"`, `name = "cache-prod`,
		`agent.toml:2: not TOML: strings cannot contain newlines; expected valid TOML`},
	{"array not closed", `witnesses = ["w1"]`, `witnesses = ["w1"`,
		`agent.toml:5: not TOML: expected a comma (',') or array terminator (']'), but got 'l'; expected valid TOML`},
	{"key twice", `port = 7946`, "port = 7946\nport = 7947",
		`agent.toml:8: not TOML: Key 'cluster.port' has already been defined; expected valid TOML`},
	{"table twice", "[memcached]", "[cluster]",
		`agent.toml:18: not TOML: Key 'cluster' has already been defined; expected valid TOML`},
	{"text in UTF-16", "", "\xff\xfe[\x00c\x00",
		`agent.toml:1: not TOML: files cannot contain NULL bytes; probably using UTF-16; TOML files must be UTF-8; expected valid TOML`},
	{"bytes that are no text", `name = "cache-prod"`, "name = \"cache\xff\"",
		`agent.toml:2: not TOML: invalid UTF-8 byte: 0xff; expected valid TOML`},
	{"ends in the middle", "restart_command = [\"restart\", \"other\"]\n", `restart_command = `,
		`agent.toml:40: not TOML: unexpected EOF; expected value; expected valid TOML`},
	{"unknown table", "[health]", "[helth]",
		`agent.toml:22: helth: unknown key; expected "health", the nearest known key`},
	{"unknown table unlike any other", "[[vip]]\naddress = \"10.0.0.101\"", "[logging]\nlevel = 1\n[[vip]]\naddress = \"10.0.0.101\"",
		`agent.toml:28: logging: unknown key; expected one of cluster, memcached, health, vip`},
	{"key outside of a table", "[cluster]\n", "lease = \"1s\"\n[cluster]\n",
		`agent.toml:1: lease: unknown key; expected one of cluster, memcached, health, vip`},
	{"every mistake at once", "", "[cluster]\nname = \"\"\nlease = \"1h\"\nvoters = { a = \"10.0.0.1\", b = \"10.0.0.1\" }\n[[vip]]\nhome = \"c\"\n",
		`agent.toml:1: cluster.key_file: missing; expected the path of the gossip key, such as "/etc/memvip/gossip.key"; agentctl keygen makes one
agent.toml:1: memcached.address: missing; expected the instance of the vip on line 5, such as "127.0.0.1:11211"
agent.toml:2: cluster.name: "" is no name; expected a name of letters, digits and "-_.", such as "cache-prod"
agent.toml:3: cluster.lease: 1h is above the ceiling; expected 200ms to 5s
agent.toml:4: cluster.voters: 2 voters; expected at least 3; where only two hosts run memcached, add a witness: a third host as voter, named in witnesses too
agent.toml:4: cluster.voters.b: 10.0.0.1 is the address of a already; expected an address for each node
agent.toml:5: vip.address: missing; expected an address that clients use, such as "10.0.0.101"
agent.toml:6: vip.home: "c" is neither voter nor node; expected one of a, b`},

	// [cluster]
	{"voter switched off without a name", `port = 7946`, "voters_off = [\"cache9\", \"\"]",
		`agent.toml:7: cluster.voters_off: "" is no node name; expected at most 64 letters, digits and "-_."`},
	{"voters switched off in no list", `port = 7946`, "voters_off = \"cache9\"",
		`agent.toml:7: cluster.voters_off: the string "cache9"; expected names of voters that are switched off, such as ["cache3"]`},
	{"no cluster", "", "[memcached]\naddress = \"127.0.0.1:11211\"\n[[vip]]\naddress = \"10.0.0.1\"\nhome = \"a\"\n",
		`agent.toml:1: cluster: missing; expected [cluster] with name, voters and key_file`},
	{"cluster is no table", "", "cluster = 5\n[[vip]]\naddress = \"10.0.0.1\"\nhome = \"a\"\ninstance = \"127.0.0.1:1\"\n",
		`agent.toml:1: cluster: the integer 5; expected a table`},
	{"no cluster name", "name = \"cache-prod\"\n", "",
		`agent.toml:1: cluster.name: missing; expected a name of letters, digits and "-_.", such as "cache-prod"`},
	{"cluster name with a space", `"cache-prod"`, `"cache prod"`,
		`agent.toml:2: cluster.name: "cache prod" is no name; expected a name of letters, digits and "-_.", such as "cache-prod"`},
	{"cluster name of a wrong type", `"cache-prod"`, `7`,
		`agent.toml:2: cluster.name: the integer 7; expected a name of letters, digits and "-_.", such as "cache-prod"`},
	{"cluster name too long", `"cache-prod"`, `"` + strings.Repeat("x", 65) + `"`,
		`agent.toml:2: cluster.name: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" is no name; expected a name of letters, digits and "-_.", such as "cache-prod"`},
	{"unknown key with a slip", `lease = "600ms"`, `leese = "600ms"`,
		`agent.toml:5: cluster.leese: unknown key; expected "lease", the nearest known key`},
	{"unknown key in other letters", `fresh_interval = "1s"`, `Fresh-Interval = "1s"`,
		`agent.toml:26: health.Fresh-Interval: unknown key; expected "fresh_interval", the nearest known key`},
	{"unknown key unlike any other", `fence = "off"`, `colour = "red"`,
		`agent.toml:8: cluster.colour: unknown key; expected one of name, voters, witnesses, nodes, voters_off, key_file, port, lease, clock_drift, fence`},
	{"unknown key with control characters", `fence = "off"`, `"a\u001b[31m" = "red"`,
		`agent.toml:8: cluster."a\u001b[31m": unknown key; expected one of name, voters, witnesses, nodes, voters_off, key_file, port, lease, clock_drift, fence`},
	{"no key file named", "key_file = \"gossip.key\"\n", "",
		`agent.toml:1: cluster.key_file: missing; expected the path of the gossip key, such as "/etc/memvip/gossip.key"; agentctl keygen makes one`},
	{"empty key file name", `"gossip.key"`, `""`,
		`agent.toml:3: cluster.key_file: "" is no path; expected the path of the gossip key, such as "/etc/memvip/gossip.key"; agentctl keygen makes one`},
	{"no voters", "[cluster.voters]\ncache1 = \"10.0.0.11\"\ncache2 = \"10.0.0.12\"\nw1 = \"10.0.0.10\"\n", "",
		`agent.toml:1: cluster.voters: missing; expected three or more names and addresses, such as { cache1 = "10.0.0.11", ... }`},
	{"two voters", "w1 = \"10.0.0.10\"\n", "",
		`agent.toml:4: cluster.witnesses: "w1" is no voter; expected one of cache1, cache2
agent.toml:10: cluster.voters: 2 voters; expected at least 3; where only two hosts run memcached, add a witness: a third host as voter, named in witnesses too`},
	{"voters as a list", "[cluster.voters]\ncache1 = \"10.0.0.11\"\ncache2 = \"10.0.0.12\"\nw1 = \"10.0.0.10\"\n", "voters = [\"cache1\"]\n",
		`agent.toml:10: cluster.voters: an array; expected names and addresses, such as { cache1 = "10.0.0.11", ... }`},
	{"voter and node", "cache3 = \"10.0.0.13\"", "cache3 = \"10.0.0.13\"\ncache2 = \"10.0.0.14\"",
		`agent.toml:17: cluster.nodes.cache2: "cache2" is a voter already; expected each name once, in voters or in nodes`},
	{"address of two nodes", "10.0.0.13", "10.0.0.12",
		`agent.toml:16: cluster.nodes.cache3: 10.0.0.12 is the address of cache2 already; expected an address for each node`},
	{"node address is no address", `"10.0.0.11"`, `"10.0.0.311"`,
		`agent.toml:11: cluster.voters.cache1: "10.0.0.311" is no address; expected the address of one host in quotes, such as "10.0.0.11"`},
	{"node address with a port", `"10.0.0.11"`, `"10.0.0.11:7946"`,
		`agent.toml:11: cluster.voters.cache1: "10.0.0.11:7946" is no address; expected the address of one host in quotes, such as "10.0.0.11"`},
	{"node address is a number", `"10.0.0.11"`, `10.0`,
		`agent.toml:11: cluster.voters.cache1: the number 10; expected the address of one host in quotes, such as "10.0.0.11"`},
	{"node address is multicast", `"10.0.0.11"`, `"224.0.0.1"`,
		`agent.toml:11: cluster.voters.cache1: "224.0.0.1" is a multicast address; expected the address of one host in quotes, such as "10.0.0.11"`},
	{"node address is unspecified", `"10.0.0.11"`, `"0.0.0.0"`,
		`agent.toml:11: cluster.voters.cache1: "0.0.0.0" is the unspecified address; expected the address of one host in quotes, such as "10.0.0.11"`},
	{"node address is broadcast", `"10.0.0.11"`, `"255.255.255.255"`,
		`agent.toml:11: cluster.voters.cache1: "255.255.255.255" is the broadcast address; expected the address of one host in quotes, such as "10.0.0.11"`},
	{"node address with a zone", `"10.0.0.11"`, `"fe80::1%eth0"`,
		`agent.toml:11: cluster.voters.cache1: "fe80::1%eth0" is tied to one host's interface by its zone; expected the address of one host in quotes, such as "10.0.0.11"`},
	{"one node on loopback", `"10.0.0.11"`, `"127.0.0.1"`,
		`agent.toml:10: cluster.voters: a loopback address among others; expected addresses at which the nodes reach each other`},
	{"node name with dots, not in quotes", `w1 = "10.0.0.10"`, `w1 = "10.0.0.10"` + "\n" + `db.example.com = "10.0.0.14"`,
		`agent.toml:14: cluster.voters.db: a table; expected an address; a name with dots stands in quotes, as in "a.example.com" = "10.0.0.11"`},
	{"node name with a slash", `w1 = "10.0.0.10"`, `w1 = "10.0.0.10"` + "\n" + `"a/b" = "10.0.0.14"`,
		`agent.toml:14: cluster.voters."a/b": "a/b" is no node name; expected at most 64 letters, digits and "-_."`},
	{"witness that is no voter", `["w1"]`, `["w1", "cache3"]`,
		`agent.toml:4: cluster.witnesses: "cache3" is no voter; expected one of cache1, cache2, w1`},
	{"witness twice", `["w1"]`, "[\n  \"w1\",\n  \"w1\" ]",
		`agent.toml:6: cluster.witnesses: "w1" stands here twice; expected each name once`},
	{"witnesses as text", `["w1"]`, `"w1"`,
		`agent.toml:4: cluster.witnesses: the string "w1"; expected names of voters, such as ["w1"]`},
	{"witness of a wrong type", `["w1"]`, `[["w1"]]`,
		`agent.toml:4: cluster.witnesses: an array; expected names of voters, such as ["w1"]`},
	{"lease too short", `"600ms"`, `"199ms"`,
		`agent.toml:5: cluster.lease: 199ms is below the floor; expected 200ms to 5s`},
	{"lease too long", `"600ms"`, `"1h"`,
		`agent.toml:5: cluster.lease: 1h is above the ceiling; expected 200ms to 5s`},
	{"lease without unit", `"600ms"`, `"600"`,
		`agent.toml:5: cluster.lease: "600" has no unit; expected a duration in quotes, such as "600ms" or "5s"`},
	{"lease as a number", `"600ms"`, `600`,
		`agent.toml:5: cluster.lease: the integer 600; expected a duration in quotes, such as "600ms" or "5s"`},
	{"lease in words", `"600ms"`, `"soon"`,
		`agent.toml:5: cluster.lease: "soon" is no duration; expected a duration in quotes, such as "600ms" or "5s"`},
	{"drift too large", `0.01`, `1`,
		`agent.toml:6: cluster.clock_drift: 1 is above the ceiling; expected 0.0001 to 0.1`},
	{"drift is no number", `0.01`, `nan`,
		`agent.toml:6: cluster.clock_drift: the number NaN; expected a number, such as 0.01`},
	{"drift as text", `0.01`, `"1%"`,
		`agent.toml:6: cluster.clock_drift: the string "1%"; expected a number, such as 0.01`},
	{"port too large", `7946`, `79460`,
		`agent.toml:7: cluster.port: 79460 is above the ceiling; expected 1 to 65535`},
	{"port zero", `7946`, `0`,
		`agent.toml:7: cluster.port: 0 is below the floor; expected 1 to 65535`},
	{"port as text", `7946`, `"7946"`,
		`agent.toml:7: cluster.port: the string "7946"; expected an integer, such as 7946`},
	{"fence of a later version", `"off"`, `"nftables"`,
		`agent.toml:8: cluster.fence: "nftables" is a fence that this version does not have; expected "off", the only fence of this version`},
	{"fence that nobody knows", `"off"`, `"iron"`,
		`agent.toml:8: cluster.fence: "iron" is no fence; expected "off", the only fence of this version`},

	// [memcached] and [health]
	{"no instance for a vip", "address = \"127.0.0.1:11211\"\nrestart_command = [\"restart\", \"it\"]\n", "",
		`agent.toml:18: memcached.address: missing; expected the instance of the vip on line 26, such as "127.0.0.1:11211"`},
	{"a restart command for nothing", "address = \"127.0.0.1:11211\"\n", "",
		`agent.toml:18: memcached.address: missing; expected the instance that restart_command restarts, such as "127.0.0.1:11211"`},
	{"instance without port", `"127.0.0.1:11211"`, `"127.0.0.1"`,
		`agent.toml:19: memcached.address: "127.0.0.1" is no address and port (names are not looked up); expected an address and port of this host, such as "127.0.0.1:11211"`},
	{"instance by name", `"127.0.0.1:11211"`, `"localhost:11211"`,
		`agent.toml:19: memcached.address: "localhost:11211" is no address and port (names are not looked up); expected an address and port of this host, such as "127.0.0.1:11211"`},
	{"instance at a wildcard", `"127.0.0.1:11211"`, `"0.0.0.0:11211"`,
		`agent.toml:19: memcached.address: "0.0.0.0:11211" is a wildcard, which one can listen on but not connect to; expected an address and port of this host, such as "127.0.0.1:11211"`},
	{"instance at port 0", `"127.0.0.1:11211"`, `"127.0.0.1:0"`,
		`agent.toml:19: memcached.address: "127.0.0.1:0" has port 0; expected an address and port of this host, such as "127.0.0.1:11211"`},
	{"instance at port 70000", `"127.0.0.1:11211"`, `"127.0.0.1:70000"`,
		`agent.toml:19: memcached.address: "127.0.0.1:70000" is no address and port (names are not looked up); expected an address and port of this host, such as "127.0.0.1:11211"`},
	{"instance at a multicast address", `"127.0.0.1:11211"`, `"[ff02::1]:11211"`,
		`agent.toml:19: memcached.address: "[ff02::1]:11211" is a multicast address; expected an address and port of this host, such as "127.0.0.1:11211"`},
	{"instance at a node's address", `"127.0.0.1:11211"`, `"10.0.0.12:11211"`,
		`agent.toml:19: memcached.address: 10.0.0.12:11211 is at the address of node cache2; expected an address that is local on every host, such as 127.0.0.1`},
	{"instance at the vip", `"127.0.0.1:11302"`, `"[fd00::102]:11211"`,
		`agent.toml:39: vip.instance: [fd00::102]:11211 is at the address of the vip on line 36; expected an address that is local on every host, such as 127.0.0.1`},
	{"restart command as text", `["restart", "it"]`, `"restart it"`,
		`agent.toml:20: memcached.restart_command: the string "restart it"; expected a command and its arguments, such as ["systemctl", "restart", "memcached"]`},
	{"restart command empty", `["restart", "it"]`, `[]`,
		`agent.toml:20: memcached.restart_command: an empty array; expected a command and its arguments, such as ["systemctl", "restart", "memcached"]`},
	{"restart command without a name", `["restart", "it"]`, `[""]`,
		`agent.toml:20: memcached.restart_command: a command without a name; expected a command and its arguments, such as ["systemctl", "restart", "memcached"]`},
	{"restart command with a number", `["restart", "it"]`, `["sleep", 5]`,
		`agent.toml:20: memcached.restart_command: the integer 5; expected a command and its arguments, such as ["systemctl", "restart", "memcached"]`},
	{"two restart commands for one instance", `"127.0.0.1:11302"`, `"127.0.0.1:11211"`,
		`agent.toml:40: vip.restart_command: ["restart", "other"], but ["restart", "it"] for the vip on line 29, on the same instance 127.0.0.1:11211; expected one command for one instance`},
	{"interval too short", `"100ms"`, `"5ms"`,
		`agent.toml:23: health.interval: 5ms is below the floor; expected 20ms to 10s`},
	{"negative deadline", `"150ms"`, `"-150ms"`,
		`agent.toml:24: health.deadline: -150ms is below the floor; expected 20ms to 10s`},
	{"deadline longer than fresh interval", `"150ms"`, `"2s"`,
		`agent.toml:24: health.deadline: 2s is longer than fresh_interval; expected at most 1s, so that one probe ends before the next of its kind`},
	{"interval longer than fresh interval", `"100ms"`, `"1500ms"`,
		`agent.toml:23: health.interval: 1.5s is longer than fresh_interval; expected at most 1s, so that one probe ends before the next of its kind`},
	{"fresh interval shorter than what holds", "interval = \"100ms\"\ndeadline = \"150ms\"\nfall = 3\nfresh_interval = \"1s\"", "fresh_interval = \"120ms\"",
		`agent.toml:23: health.fresh_interval: 120ms is shorter than deadline; expected at least 150ms, so that one probe ends before the next of its kind`},
	{"fall of zero", `fall = 3`, `fall = 0`,
		`agent.toml:25: health.fall: 0 is below the floor; expected 1 to 100`},
	{"fall too large for any integer", `fall = 3`, `fall = 4294967299`,
		`agent.toml:25: health.fall: 4294967299 is above the ceiling; expected 1 to 100`},
	{"fall as a fraction", `fall = 3`, `fall = 2.5`,
		`agent.toml:25: health.fall: the number 2.5; expected an integer, such as 3`},

	// [[vip]]
	{"no vips", good[strings.Index(good, "[[vip]]"):], "",
		`agent.toml:1: vip: no service address; expected [[vip]] with address and home, once for each`},
	{"vips as an empty list", "", "vip = []\n" + good[:strings.Index(good, "[[vip]]")],
		`agent.toml:1: vip: no service address; expected [[vip]] with address and home, once for each`},
	{"vip as a single table", "[[vip]]\naddress = \"10.0.0.101\"", "[vip]\naddress = \"10.0.0.101\"",
		`agent.toml:35: not TOML: Key 'vip' was already created and cannot be used as an array; expected valid TOML`},
	{"one vip that is a single table", good[strings.Index(good, "[[vip]]"):], "[vip]\naddress = \"10.0.0.101\"\nhome = \"cache1\"",
		`agent.toml:28: vip: a table; expected [[vip]], once for each`},
	{"vip that is no table", good[strings.Index(good, "[memcached]"):], "[memcached]\naddress = \"127.0.0.1:11211\"\n[vip]\n",
		`agent.toml:20: vip: a table; expected [[vip]], once for each`},
	{"vip without address", "address = \"10.0.0.101\"\n", "",
		`agent.toml:28: vip.address: missing; expected an address that clients use, such as "10.0.0.101"`},
	{"vip without home", "home = \"cache1\"\n", "",
		`agent.toml:28: vip.home: missing; expected the name of the node that the address belongs to`},
	{"vip address is no address", `"10.0.0.101"`, `"10.0.0"`,
		`agent.toml:29: vip.address: "10.0.0" is no address; expected an address that clients use, such as "10.0.0.101"`},
	{"vip prefix is no prefix", `"10.0.0.101"`, `"10.0.0.101/33"`,
		`agent.toml:29: vip.address: "10.0.0.101/33" is no address; expected an address that clients use, such as "10.0.0.101"`},
	{"vip prefix too small", `"10.0.0.101"`, `"10.0.0.101/7"`,
		`agent.toml:29: vip.address: "10.0.0.101/7" has a prefix of 7 bits; expected 8 to 32 bits, or no prefix at all`},
	{"vip prefix too small for IPv6", `"fd00::102/64"`, `"fd00::102/8"`,
		`agent.toml:36: vip.address: "fd00::102/8" has a prefix of 8 bits; expected 32 to 128 bits, or no prefix at all`},
	{"vip with a zone", `"fd00::102/64"`, `"fd00::102%eth0"`,
		`agent.toml:36: vip.address: "fd00::102%eth0" has a zone, which is tied to one host's interface; expected an address that clients use, such as "10.0.0.101"`},
	{"vip is multicast", `"10.0.0.101"`, `"239.1.2.3"`,
		`agent.toml:29: vip.address: "239.1.2.3" is a multicast address; expected an address that clients use, such as "10.0.0.101"`},
	{"vip is unspecified", `"fd00::102/64"`, `"::"`,
		`agent.toml:36: vip.address: "::" is the unspecified address; expected an address that clients use, such as "10.0.0.101"`},
	{"vip is loopback", `"10.0.0.101"`, `"127.0.0.1"`,
		`agent.toml:29: vip.address: "127.0.0.1" is a loopback address, which no client can reach; expected an address that clients use, such as "10.0.0.101"`},
	{"vip is link-local", `"fd00::102/64"`, `"fe80::102"`,
		`agent.toml:36: vip.address: "fe80::102" is a link-local address, which clients could use only with a zone; expected an address that clients use, such as "10.0.0.101"`},
	{"vip is IPv4 in IPv6", `"fd00::102/64"`, `"::ffff:10.0.0.102"`,
		`agent.toml:36: vip.address: "::ffff:10.0.0.102" is an IPv4 address in IPv6 clothes; expected an address that clients use, such as "10.0.0.101"`},
	{"vip is a network", `"10.0.0.101"`, `"10.0.0.0/24"`,
		`agent.toml:29: vip.address: "10.0.0.0/24" is the address of its subnet, not of a host in it; expected an address that clients use, such as "10.0.0.101"`},
	{"vip is a broadcast address", `"10.0.0.101"`, `"10.0.0.255/24"`,
		`agent.toml:29: vip.address: "10.0.0.255/24" is the broadcast address of its subnet; expected an address that clients use, such as "10.0.0.101"`},
	{"vip is a node's address", `"10.0.0.101"`, `"10.0.0.12/24"`,
		`agent.toml:29: vip.address: 10.0.0.12 is the address of node cache2; expected an address that belongs to no host`},
	{"vip twice", `"10.0.0.101"`, `"fd00::102"`,
		`agent.toml:36: vip.address: fd00::102 is the address of the vip on line 29 already; expected each address once`},
	{"home that is no node", `home = "cache1"`, `home = "cache9"`,
		`agent.toml:30: vip.home: "cache9" is neither voter nor node; expected one of cache1, cache2, cache3`},
	{"home that is a witness", `home = "cache1"`, `home = "w1"`,
		`agent.toml:30: vip.home: "w1" is a witness, which has no memcached; expected one of cache1, cache2, cache3`},
	{"home of a wrong type", `home = "cache1"`, `home = ["cache1"]`,
		`agent.toml:30: vip.home: an array; expected the name of the node that the address belongs to`},
	{"home that is no candidate", `candidates = ["cache1", "cache2"]`, `candidates = ["cache2", "cache3"]`,
		`agent.toml:33: vip.candidates: without the home "cache1"; expected the home to be among them`},
	{"candidate that is nobody", `candidates = ["cache1", "cache2"]`, "candidates = [\n  \"cache1\",\n  \"cache7\",\n]",
		`agent.toml:35: vip.candidates: "cache7" is neither voter nor node; expected one of cache1, cache2, cache3`},
	{"candidate that is a witness", `candidates = ["cache1", "cache2"]`, `candidates = ["cache1", "w1"]`,
		`agent.toml:33: vip.candidates: "w1" is a witness, which has no memcached; expected one of cache1, cache2, cache3`},
	{"candidate twice", `candidates = ["cache1", "cache2"]`, `candidates = ["cache1", "cache1"]`,
		`agent.toml:33: vip.candidates: "cache1" stands here twice; expected each name once`},
	{"no candidate", `candidates = ["cache1", "cache2"]`, `candidates = []`,
		`agent.toml:33: vip.candidates: an empty array; expected names of nodes, such as ["cache1", "cache2"], or no such key for all of them`},
	{"failback word", `failback = "auto"`, `failback = "later"`,
		`agent.toml:31: vip.failback: "later" is no way home; expected "auto", "manual" or "never"`},
	{"failback of a wrong type", `failback = "auto"`, `failback = true`,
		`agent.toml:31: vip.failback: the boolean true; expected "auto", "manual" or "never"`},
	{"failback delay negative", `failback_delay = "5s"`, `failback_delay = "-5s"`,
		`agent.toml:32: vip.failback_delay: -5s is below the floor; expected 100ms to 1h`},
	{"failback delay too long", `failback_delay = "5s"`, `failback_delay = "90m"`,
		`agent.toml:32: vip.failback_delay: 1h30m is above the ceiling; expected 100ms to 1h`},
	{"failback delay as a date", `failback_delay = "5s"`, `failback_delay = 2026-01-01`,
		`agent.toml:32: vip.failback_delay: a date or time; expected a duration in quotes, such as "600ms" or "5s"`},
	{"interface name too long", `"eth0"`, `"a-very-long-interface"`,
		`agent.toml:38: vip.interface: "a-very-long-interface" is no interface name; expected the name of a network interface, such as "eth0"`},
	{"interface name empty", `"eth0"`, `""`,
		`agent.toml:38: vip.interface: "" is no interface name; expected the name of a network interface, such as "eth0"`},
}

func (b badConfig) text(t testing.TB) string {
	if b.old == "" {
		return b.new
	}
	if !strings.Contains(good, b.old) {
		t.Fatalf("%s: the good configuration has no %q", b.name, b.old)
	}
	return strings.Replace(good, b.old, b.new, 1)
}

// Each mistake is told in full and nothing else is: file, line, key, what was found, what was expected.
func TestBadConfigs(t *testing.T) {
	for _, b := range badConfigs {
		t.Run(strings.ReplaceAll(b.name, " ", "_"), func(t *testing.T) {
			c, err := Parse("agent.toml", b.text(t))
			if err == nil {
				t.Fatalf("accepted: %+v", c)
			}
			if c != nil {
				t.Errorf("a configuration came with the error")
			}
			if got := err.Error(); got != b.want {
				t.Errorf("text\n got %s\nwant %s", got, b.want)
			}
			checkErrorForm(t, err)
		})
	}
}

// checkErrorForm sees that an error is made of *Error, each complete.
func checkErrorForm(t testing.TB, err error) {
	t.Helper()
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%T is no joined error", err)
	}
	for _, part := range joined.Unwrap() {
		e, ok := errors.AsType[*Error](part)
		if !ok {
			t.Fatalf("%T is no *Error", part)
		}
		if e.File == "" || e.Line < 1 || e.Found == "" || e.Expected == "" {
			t.Errorf("incomplete: %+v", *e)
		}
		if strings.ContainsAny(e.Error(), "\n\r\x1b") {
			t.Errorf("more than one plain line: %q", e.Error())
		}
	}
}
