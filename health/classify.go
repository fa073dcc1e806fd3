package health

import (
	"errors"
	"io"
	"syscall"

	"golang.org/x/sys/unix"

	"memvip/flush/memcached"
)

// classify says what the end of a connect or a question means; nil is an answer.
func classify(err error) Outcome {
	var reply *memcached.ReplyError
	var errno syscall.Errno
	switch {
	case err == nil:
		return Answered
	case errors.As(err, &reply):
		return classifyReply(reply.Kind())
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Ended
	case errors.As(err, &errno):
		return classifyErrno(errno)
	}
	// What is left comes from reading the reply: a line too long, or one out of place.
	return BadReply
}

func classifyReply(kind memcached.Kind) Outcome {
	switch kind {
	case memcached.KindFull:
		return AnsweredFull
	case memcached.KindLogin:
		return AnsweredLogin
	case memcached.KindOther, memcached.KindRefused, memcached.KindBusy, memcached.KindNoCrawler:
		return BadReply
	}
	return BadReply
}

func classifyErrno(errno syscall.Errno) Outcome {
	switch errno {
	case unix.ECONNREFUSED:
		return Refused
	case unix.ECONNRESET, unix.EPIPE, unix.ECONNABORTED, unix.ETIMEDOUT:
		return Ended // ETIMEDOUT: the connection was given up by the kernel.
	case unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ENETDOWN, unix.EHOSTDOWN, unix.EACCES, unix.EPERM:
		return NoRoute // EACCES and EPERM: a local packet filter or a prohibiting route.
	}
	return IOFailed
}
