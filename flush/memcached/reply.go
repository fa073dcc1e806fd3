package memcached

import (
	"errors"
	"fmt"
	"strings"
)

// Kind is what a reply other than the wanted one means.
type Kind int

// The kinds a ReplyError tells apart.
const (
	// KindOther is any answer without a name below, such as "ERROR" for an unknown command.
	KindOther Kind = iota
	// KindFull means that all connections the server allows are in use. A live main thread says so: it is saturated,
	// not dead.
	KindFull
	// KindLogin means that the server wants a login (-Y) before it obeys. That too is a live answer.
	KindLogin
	// KindRefused means that flush_all is switched off (-F). The server's cmd_flush counts up all the same.
	KindRefused
	// KindBusy means that the one crawler is at work for somebody else, which includes the server itself.
	KindBusy
	// KindNoCrawler means that the server runs without the crawler.
	KindNoCrawler
)

func (k Kind) String() string {
	switch k {
	case KindOther:
		return "other"
	case KindFull:
		return "full"
	case KindLogin:
		return "login"
	case KindRefused:
		return "refused"
	case KindBusy:
		return "busy"
	case KindNoCrawler:
		return "no_crawler"
	}
	return fmt.Sprintf("kind(%d)", int(k))
}

// ReplyError is a complete answer line that is not the wanted one. The connection stays usable, unless its kind is
// KindFull, after which the server closes it.
type ReplyError struct {
	Command string // as sent, without line end
	Want    string // what the first line should have been
	Reply   string // as received, without line end; at most replyBytesMax bytes of it
}

// replyBytesMax bounds what a ReplyError keeps, so that garbage does not fill logs.
const replyBytesMax = 256

func (e *ReplyError) Error() string {
	return fmt.Sprintf("%s: want %q, got %q", e.Command, e.Want, e.Reply)
}

// Kind classifies the reply by the words that 1.6.18 to 1.6.45 use.
func (e *ReplyError) Kind() Kind {
	for _, known := range knownReplies {
		if strings.HasPrefix(e.Reply, known.prefix) {
			return known.kind
		}
	}
	return KindOther
}

var knownReplies = []struct {
	prefix string
	kind   Kind
}{
	{"ERROR Too many open connections", KindFull},
	{"CLIENT_ERROR unauthenticated", KindLogin},
	{"CLIENT_ERROR flush_all not allowed", KindRefused},
	{"BUSY", KindBusy},
	{"CLIENT_ERROR lru crawler disabled", KindNoCrawler},
}

// ErrFormat is wrapped by errors about a reply that is no memcached's: its lines have another form, or are too many or
// too long.
var ErrFormat = errors.New("reply not understood")

func formatError(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrFormat}, args...)...)
}

func replyError(command, want, line string) *ReplyError {
	if len(line) > replyBytesMax {
		line = line[:replyBytesMax]
	}
	return &ReplyError{Command: command, Want: want, Reply: strings.Clone(line)}
}
