package vip

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// netlinkKernel is the kernel of one network namespace. Everything it needs is opened at once, so it
// stays with that namespace whatever thread uses it, and needs no privilege to enter one. The messages are
// written in this package because the usual library can neither mark an address with its protocol nor
// destroy sockets by cookie, of IPv6, or many at a time.
type netlinkKernel struct {
	route  *requester   // addresses and links, one at a time: on the way to the first announcement
	lists  *requester   // dumps, which may take long
	diag   *requester   // TCP sockets; nil if the kernel cannot show them, as the next
	census *requester   // TCP sockets that are only looked at: on no way to a reset
	frames *frameSender // Ethernet frames, out only
	raw    *rawSender   // IP packets, out only
	ears   *ears        // Ethernet frames, in only
	events *eventSocket

	// keepsOver means that the kernel cannot destroy connections that are over (before 6.0), which is no fault.
	keepsOver atomic.Bool
}

var _ kernel = (*netlinkKernel)(nil)

// openNetlink opens the current network namespace.
func openNetlink() (_ *netlinkKernel, err error) {
	k := &netlinkKernel{}
	defer func() {
		if err != nil {
			err = errors.Join(err, k.close())
		}
	}()
	if k.route, err = openRequester(unix.NETLINK_ROUTE); err != nil {
		return nil, fmt.Errorf("netlink socket: %w", err)
	}
	if k.lists, err = openRequester(unix.NETLINK_ROUTE); err != nil {
		return nil, fmt.Errorf("netlink socket: %w", err)
	}
	if k.events, err = openEventSocket(); err != nil {
		return nil, fmt.Errorf("netlink event socket: %w", err)
	}
	for _, r := range []**requester{&k.diag, &k.census} {
		if *r, err = openRequester(unix.NETLINK_SOCK_DIAG); err != nil && !errors.Is(err, unix.EPROTONOSUPPORT) {
			return nil, fmt.Errorf("netlink socket: %w", err)
		}
	}
	k.frames, err = openFrameSender()
	if err != nil && !errors.Is(err, unix.EPERM) {
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	if k.frames != nil { // else the process may not, and is told so below
		if k.ears, err = openEars(); err != nil {
			return nil, fmt.Errorf("packet socket: %w", err)
		}
		if k.raw, err = openRawSender(); err != nil {
			return nil, fmt.Errorf("raw socket: %w", err)
		}
	}
	return k, k.missing()
}

// missing returns an error that names the capabilities that the process lacks, all of them.
func (k *netlinkKernel) missing() error {
	var names []string
	// The kernel asks for the capability before it looks for the address, and no link has this index.
	probe := Address{Prefix: netip.PrefixFrom(netip.IPv4Unspecified(), 32)}
	if err := k.remove(1<<31-1, probe); errors.Is(err, unix.EPERM) {
		names = append(names, "CAP_NET_ADMIN")
	}
	if k.frames == nil {
		names = append(names, "CAP_NET_RAW")
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("%w %s: %w", ErrCapability, strings.Join(names, ", "), unix.EPERM)
}

func (k *netlinkKernel) close() error {
	var errs []error
	for _, r := range []*requester{k.route, k.lists, k.diag, k.census} {
		if r != nil {
			errs = append(errs, r.close())
		}
	}
	if k.ears != nil {
		errs = append(errs, k.ears.close())
	}
	if k.frames != nil {
		errs = append(errs, k.frames.close())
	}
	if k.raw != nil {
		errs = append(errs, k.raw.close())
	}
	if k.events != nil {
		errs = append(errs, k.events.close())
	}
	return errors.Join(errs...)
}

func (k *netlinkKernel) add(index int, a Address) error {
	return k.route.do(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, encodeNewAddress(index, a))
}

func (k *netlinkKernel) refresh(index int, a Address) error {
	return k.route.do(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, encodeNewAddress(index, a))
}

func (k *netlinkKernel) remove(index int, a Address) error {
	return k.route.do(unix.RTM_DELADDR, 0, encodeAddress(index, a))
}

func (k *netlinkKernel) link(name string) (Link, error) {
	body := appendAttribute(linkRequest(), unix.IFLA_IFNAME, append([]byte(name), 0))
	var link Link
	err := k.route.get(unix.RTM_GETLINK, body, func(answer []byte) (err error) {
		link, err = decodeLink(answer)
		return err
	})
	if errors.Is(err, unix.ENODEV) || len(name) >= unix.IFNAMSIZ {
		return Link{}, ErrNoLink
	}
	return link, err
}

// linkRequest returns the body of a request for links without their statistics.
func linkRequest() []byte {
	const withoutStatistics = 1 << 3 // RTEXT_FILTER_SKIP_STATS
	return appendAttribute(make([]byte, linkHeaderBytes), unix.IFLA_EXT_MASK,
		binary.NativeEndian.AppendUint32(nil, withoutStatistics))
}

func (k *netlinkKernel) links() ([]Link, error) {
	var links []Link
	err := k.lists.dump(unix.RTM_GETLINK, linkRequest(), func() { links = nil }, func(answer []byte) error {
		link, err := decodeLink(answer)
		links = append(links, link)
		return err
	})
	if err != nil {
		return nil, err
	}
	list, err := k.addresses(0)
	if err != nil {
		return nil, err
	}
	prefixes := map[int][]netip.Prefix{}
	for _, p := range list {
		prefixes[p.LinkIndex] = append(prefixes[p.LinkIndex], p.Prefix)
	}
	for i, link := range links {
		links[i].Prefixes = prefixes[link.Index]
	}
	return links, nil
}

func (k *netlinkKernel) addresses(index int) ([]present, error) {
	body := make([]byte, addressHeaderBytes)
	binary.NativeEndian.PutUint32(body[4:], uint32(index))
	var list []present
	err := k.lists.dump(unix.RTM_GETADDR, body, func() { list = nil }, func(answer []byte) error {
		p, err := decodeAddress(answer)
		if err == nil && (index == 0 || p.LinkIndex == index) {
			list = append(list, p)
		}
		return err
	})
	return list, err
}

func (k *netlinkKernel) send(index int, frame []byte) error { return k.frames.send(index, frame) }

func (k *netlinkKernel) sendPacket(packet []byte, from, to netip.Addr) error {
	return k.raw.send(packet, from, to)
}

func (k *netlinkKernel) overhear(ctx context.Context, ips []netip.Addr, heard func(index int, frame []byte)) error {
	return k.ears.overhear(ctx, ips, heard)
}
