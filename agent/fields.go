package agent

// The names of the fields in the log's lines. A line has a constant message and carries its facts here.
const (
	fieldVIP      = "vip"
	fieldInstance = "instance"
	fieldNode     = "node"
	fieldPeer     = "peer"
	fieldFrom     = "from"
	fieldTo       = "to"
	fieldCause    = "cause"
	fieldTerm     = "term"
	fieldSince    = "since_ms"
	fieldDetail   = "detail"
	fieldRepeated = "repeated" // how often the same happened since its last line
	fieldCount    = "count"
	fieldError    = "error"
	fieldStack    = "stack"
	fieldAddress  = "address"
	fieldLink     = "link"
	fieldVersion  = "version"
	fieldDetector = "detector"
	fieldFence    = "fence"
	fieldConfig   = "config"
	fieldDir      = "runtime_dir"
	fieldTook     = "took_ms"
	fieldWay      = "way"
	fieldKept     = "kept" // addresses that stay up for the agent that is started next
	fieldProgram  = "program"
	fieldBy       = "by"
	fieldCommand  = "command"
	fieldHook     = "hook"      // what it is run for
	fieldExitCode = "exit_code" // -1 if it was never run
	fieldOutput   = "output"    // the end of what it wrote
	fieldKeys     = "keys"      // fingerprints, the sealing key's first

	fieldScheduling = "scheduling"
)
