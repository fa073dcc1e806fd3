package gossip

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/sirupsen/logrus"

	"memvip/agent/clients"
	"memvip/agent/core"
)

// Options says who this node is, who the others are, and who wants to hear of them.
type Options struct {
	Node        string                // this node's name
	Bind        netip.Addr            // this node's address, as configured on every node
	Port        int                   // UDP and TCP, the same on every node
	Keys        [][]byte              // 32 random bytes each: the first seals, all of them open; see SetKeys
	Peers       map[string]netip.Addr // all other nodes by name, witnesses included
	Lease       time.Duration         // timing is derived from it
	ClusterName string                // memberlist's label: packets of other clusters are dropped
	Logger      logrus.FieldLogger    // nil: silence

	// OnMessage gets every message of core that is meant for this node, with the address and port it
	// came from. OnState gets every state of another node that is newer than the one before, and one of this node's own that is
	// newer than what it published: of a life that it has forgotten. Both are
	// called as soon as Start is, from several goroutines, and must return at once, without calling
	// Close. After Close has returned neither is called.
	OnMessage func(source string, msg core.Message)
	OnState   func(core.NodeState)
	// OnClients gets what holders tell of who is connected to their VIPs, on the same terms. nil: nobody wants to know.
	OnClients func(clients.Part)
	// OnCall answers what another node asks with Call. It may take its time, and must return when ctx ends. nil: no
	// question is answered.
	OnCall func(ctx context.Context, from string, question []byte) []byte
}

// check refuses what would not work, or work unsafely.
func (o Options) check() error {
	switch {
	case o.Node == "" || len(o.Node) > maxText:
		return fmt.Errorf("node name is %d bytes long, want 1 to %d", len(o.Node), maxText)
	case o.ClusterName == "" || len(o.ClusterName) > memberlist.LabelMaxSize:
		return fmt.Errorf("cluster name is %d bytes long, want 1 to %d", len(o.ClusterName), memberlist.LabelMaxSize)
	case o.Port < 1 || o.Port > 65535:
		return fmt.Errorf("port is %d, want 1 to 65535", o.Port)
	case o.Lease <= 0:
		return fmt.Errorf("lease is %s, want more than 0", o.Lease)
	case o.OnMessage == nil || o.OnState == nil:
		return errors.New("nobody listens: OnMessage or OnState is nil")
	}
	if err := checkKeys(o.Keys); err != nil {
		return err
	}
	if err := checkAddress(o.Bind); err != nil {
		return fmt.Errorf("own address: %w", err)
	}
	owner := map[netip.Addr]string{o.Bind: o.Node}
	for _, name := range slices.Sorted(maps.Keys(o.Peers)) {
		addr := o.Peers[name]
		if err := checkAddress(addr); err != nil {
			return fmt.Errorf("peer %s: %w", name, err)
		}
		switch {
		case name == "" || len(name) > maxText:
			return fmt.Errorf("peer at %s: name is %d bytes long, want 1 to %d", addr, len(name), maxText)
		case name == o.Node:
			return fmt.Errorf("peer %s has this node's name", name)
		case addr.Is4() != o.Bind.Is4():
			return fmt.Errorf("peer %s: %s and this node's %s are not of one family", name, addr, o.Bind)
		case owner[addr] != "":
			return fmt.Errorf("peer %s: %s is the address of %s", name, addr, owner[addr])
		}
		owner[addr] = name
	}
	return nil
}

func checkAddress(a netip.Addr) error {
	switch {
	case !a.IsValid() || a.IsUnspecified() || a.IsMulticast():
		return fmt.Errorf("%s is not the address of one host", a)
	case a.Zone() != "":
		return fmt.Errorf("%s has a zone, which other hosts cannot know", a)
	}
	return nil
}
