package limit

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"testing"
	"time"
)

// blocked reports whether take does not return before ctx ends it.
func blocked(t *testing.T, h *Hold, n int64) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := h.Take(ctx, n)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	return err != nil
}

func TestBytes(t *testing.T) {
	const mb = 1 << 20
	b := NewBytes(4*mb, 6*mb)
	first, second, third := b.For("ana"), b.For("ana"), b.For("bob")
	if blocked(t, first, 3*mb) {
		t.Fatal("an empty room is full")
	}
	if !blocked(t, second, 2*mb) {
		t.Error("one holder gets more than their share")
	}
	if blocked(t, second, Free) {
		t.Error("a small message has to ask")
	}
	if blocked(t, first, 100*mb) {
		t.Error("a hold that has taken waits again")
	}
	if !blocked(t, third, 4*mb) {
		t.Error("there is more room than there is in all")
	}
	first.Shrink(1 * mb)
	if blocked(t, third, 100*mb) { // all of a share
		t.Error("what was given back is not there")
	}
	first.Release()
	third.Release()
	third.Release()
	if blocked(t, third, 4*mb) || len(b.out) != 0 {
		t.Error("a hold that is over takes")
	}
	if h := b.For("carol"); blocked(t, h, 4*mb) {
		t.Error("not everything came back")
	}
}

// It handles two holders that take all they can get: a message of the largest kind
// that clients send, 4 MiB, still finds room.
func TestRoomBesideTwo(t *testing.T) {
	for _, b := range []*Bytes{Requests, Answers} {
		for _, who := range []string{"ana", "bob", "carol"} {
			h := b.For(who)
			defer h.Release()
			n := int64(1 << 30)
			if who == "carol" {
				n = 4 << 20
			}
			if blocked(t, h, n) {
				t.Errorf("%s finds no room", who)
			}
		}
	}
}

// It handles a client that takes nothing while somebody waits.
func TestCut(t *testing.T) {
	b := NewBytes(1<<20, 1<<20)
	deaf, reads := b.For("ana"), b.For("bob")
	if blocked(t, deaf, 1<<20) {
		t.Fatal("no room")
	}
	cut := make(chan struct{})
	deaf.Sending(func() { go deaf.Release(); close(cut) })
	if err := reads.Take(t.Context(), 1<<20); err != nil {
		t.Fatal(err)
	}
	<-cut
	reads.Release()
}

// It handles a message that a reader has taken room for and somebody else goes
// on with.
func TestGive(t *testing.T) {
	const mb = 1 << 20
	b := NewBytes(4*mb, 4*mb)
	reader, call, late := b.For("server"), b.For("ana"), b.For("bob")
	if blocked(t, reader, 4*mb) {
		t.Fatal("no room")
	}
	reader.Give(call)
	if !blocked(t, late, mb) {
		t.Error("given, it is free")
	}
	call.Release()
	if blocked(t, reader, 4*mb) {
		t.Error("the reader can't take again")
	}
	reader.Give(call) // which is over
	if blocked(t, late, 4*mb) {
		t.Error("given to nobody, it is gone")
	}
	late.Give(nil)
	if blocked(t, b.For("carol"), 4*mb) {
		t.Error("given to nil, it is gone")
	}
	var none *Hold
	if none.Take(t.Context(), math.MaxInt64) != nil || HoldOf(t.Context()) != nil || HoldOf(WithHold(t.Context(), call)) != call {
		t.Error("no hold")
	}
	none.Shrink(0)
	none.Give(call)
	none.Release()
}

// It handles a crowd that takes, shrinks, gives, gives up and leaves at random:
// there is never more out than there is, nobody waits forever, and all comes back.
func TestBytesCrowd(t *testing.T) {
	const mb = 1 << 20
	b := NewBytes(4*mb, 6*mb)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 7))
			for range 50 {
				h, other := b.For(string(rune('a'+r.IntN(5)))), b.For("x")
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+r.IntN(20))*time.Millisecond)
				if h.Take(ctx, r.Int64N(8*mb)) == nil {
					switch r.IntN(3) {
					case 0:
						h.Shrink(r.Int64N(4 * mb))
					case 1:
						h.Give(other)
					}
				}
				cancel()
				wg.Go(other.Release)
				h.Release()
			}
		})
	}
	wg.Wait()
	if len(b.out) != 0 || b.free != 6*mb {
		t.Errorf("%d holds are left", len(b.out))
	}
}

// It handles the end of large messages: the runtime has the limit that it had.
func TestPressure(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	h := Answers.For("ana")
	if err := h.Take(t.Context(), 8<<20); err != nil {
		t.Fatal(err)
	}
	if got := debug.SetMemoryLimit(-1); before == math.MaxInt64 && (got <= headroom || got > 1<<31) {
		t.Errorf("while it lasts the limit is %d", got)
	}
	h.Release()
	for end := time.Now().Add(10 * time.Second); debug.SetMemoryLimit(-1) != before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the limit stays %d", debug.SetMemoryLimit(-1))
		}
	}
}
