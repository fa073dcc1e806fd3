package lab

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
)

func testFrame() arpFrame {
	return arpFrame{
		to: broadcastMAC, from: portMAC(11), op: arpReply,
		senderMAC: portMAC(11), senderIP: testVIP, targetMAC: broadcastMAC, targetIP: testVIP,
	}
}

// The frames are those of an independent implementation.
func TestARPFrameAgreesWithMdlayher(t *testing.T) {
	f := testFrame()
	p, err := arp.NewPacket(arp.OperationReply, f.senderMAC[:], testVIP, f.targetMAC[:], testVIP)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := p.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	frame := ethernet.Frame{Destination: f.to[:], Source: f.from[:], EtherType: ethernet.EtherTypeARP, Payload: payload}
	want, err := frame.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if got := f.append(nil); !bytes.Equal(got, want[:len(got)]) {
		t.Errorf("frame\n%x, want\n%x", got, want)
	}
	if got, ok := parseARP(want); !ok || got != f {
		t.Errorf("parse: %+v, %v, want %+v", got, ok, f)
	}
}

func TestGratuitous(t *testing.T) {
	if !testFrame().gratuitous() {
		t.Error("an announcement is not seen as one")
	}
	question := testFrame()
	question.senderIP = netip.MustParseAddr("10.77.0.8")
	if question.gratuitous() {
		t.Error("a question is seen as an announcement")
	}
	answer := testFrame()
	answer.to, answer.targetIP = portMAC(8), netip.MustParseAddr("10.77.0.8")
	if answer.gratuitous() {
		t.Error("an answer is seen as an announcement")
	}
}

// What is read is what is written back.
func FuzzParseARP(f *testing.F) {
	f.Add(testFrame().append(nil))
	f.Add(make([]byte, arpFrameLen))
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, in []byte) {
		frame, ok := parseARP(in)
		if ok && !bytes.Equal(frame.append(nil), in[:arpFrameLen]) {
			t.Errorf("%x comes back as %x", in[:arpFrameLen], frame.append(nil))
		}
	})
}
