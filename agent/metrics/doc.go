// Package metrics tells Prometheus what an agent knows and has seen.
//
// It has two sources. A look is the report that agentctl status shows, made anew when somebody asks for metrics: it says
// how things are. The recorder is told by the run loop and the probers as things happen: it counts what a look cannot
// show any more. memcached's own figures are read at that time too, over a connection of this package's.
//
// Nothing here decides anything, and nobody waits for it: the recorder only adds numbers up, and a look that does not
// come in time is replaced by the last one, with its age. What is told is no secret, but every address of the cluster is
// in it, so the server listens on the loopback address unless told otherwise. It answers GET on /metrics, and nothing
// else but a line of text on /.
//
// Every metric is defined in families.go. Its labels have values from closed sets: VIPs, nodes and instances as
// configured, and the reasons of the packages that name them.
package metrics
